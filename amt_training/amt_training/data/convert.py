"""Any data set into shards: one pass over its files, to be read from few large ones ever after."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain, groupby
from pathlib import Path

from tqdm import tqdm

from amt_perception.errors import AmtError
from amt_perception.output.files import atomic_write
from amt_training.data.crops import StoredCrop, Unreadable, crop_sample
from amt_training.data.fingerprints import dataset_fingerprint
from amt_training.data.folders import alone_in
from amt_training.data.reading import in_order
from amt_training.data.sample import HandDataset, SampleError, UnlabelledError
from amt_training.data.shard_samples import (
    IMAGE_FORMATS,
    encode_exact,
    encode_labels,
    encode_picture,
)
from amt_training.data.shards import (
    DESCRIPTION,
    index_file,
    read_description,
    read_index,
    shard_file,
    write_description,
    write_index,
)
from amt_training.data.skipping import Skipping

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConvertSettings:
    """How a data set is written as shards."""

    samples_per_shard: int = 1000
    image: str = "jpg"
    """File format of the pictures: jpg, png or webp."""
    quality: int = 95
    """1 to 100, of jpg and webp."""
    workers: int = 8
    """Processes that read and encode; 0 does it in this one."""
    skip_limit: float = 0.01
    """Share of the samples that may be unreadable."""

    def __post_init__(self) -> None:
        """Raises AmtError for values that make no sense."""
        if self.image not in IMAGE_FORMATS:
            raise AmtError(
                f"convert.image is '{self.image}'; choose one of {', '.join(IMAGE_FORMATS)}"
            )
        if not 1 <= self.quality <= 100:
            raise AmtError(f"convert.quality is {self.quality}; it must be in 1..100")
        for name, least in (("samples_per_shard", 1), ("workers", 0)):
            if getattr(self, name) < least:
                raise AmtError(f"convert.{name} is {getattr(self, name)}; the least is {least}")


def convert(
    dataset: HandDataset,
    folder: Path | str,
    settings: ConvertSettings,
    crop: StoredCrop | None,
    together: Callable[[int], object] | None = None,
) -> None:
    """Write a data set as shards that `ShardDataset` and WebDataset read.

    crop: what is kept of each picture; None for all of it. together: of the index of a sample;
    samples in a row for which it gives the same are read by one process. May be stopped at any
    time, and called again to go on: whole shards stay. The log names what was skipped. Raises
    AmtError when the folder holds something else, the disk is full, or too many samples cannot be
    read.
    """
    folder = Path(folder)
    total = len(dataset.entries)
    shards = range(0, total, settings.samples_per_shard)
    contents = asdict(settings) | {"crop": None if crop is None else asdict(crop)}
    for name in ("workers", "skip_limit"):  # which change nothing in the files
        del contents[name]
    fingerprint = dataset_fingerprint(dataset, contents)
    with alone_in(folder):
        if (folder / DESCRIPTION).exists():
            if read_description(folder).get("fingerprint") != fingerprint:
                raise AmtError(
                    f"{folder} holds shards of other data or settings; choose a new folder"
                )
        elif any(path.name != ".lock" for path in folder.iterdir()):
            raise AmtError(f"{folder} holds other files; choose a new folder")
        else:
            values = {"samples": total, "shards": len(shards), "fingerprint": fingerprint}
            write_description(folder, dataset, values | {"settings": contents})
        for unfinished in folder.glob(".shard-*"):  # of a run that was killed
            unfinished.unlink()
        _write_missing(dataset, folder, settings, crop, shards, together)


def _write_missing(
    dataset: HandDataset,
    folder: Path,
    settings: ConvertSettings,
    crop: StoredCrop | None,
    shards: range,
    together: Callable[[int], object] | None,
) -> None:
    """Every shard that has no index yet; shards: the first sample of each."""
    total = len(dataset.entries)
    skipping = Skipping(dataset.name, total, settings.skip_limit)
    missing: dict[Path, range] = {}
    for number, first in enumerate(shards):
        shard = shard_file(folder, number)
        if index_file(shard).exists():
            for index, message in read_index(shard)["skipped"].items():
                skipping.add(int(index), message)
        else:
            missing[shard] = range(first, min(first + shards.step, total))
    rest = [index for samples in missing.values() for index in samples]
    blocks = [list(block) for _, block in groupby(rest, together)]
    job = _Encode(dataset, crop, settings, blocks)
    bar = tqdm(total=total, initial=total - len(rest), unit="sample", desc=dataset.name)
    with bar, closing(in_order(job, range(len(blocks)), settings.workers)) as done:
        results = chain.from_iterable(done)
        for shard, samples in missing.items():
            _write_shard(shard, samples, results, skipping, bar)
    skipping.report()
    _log.info("%s: %d samples in %d shards in %s", dataset.name,
              total - len(skipping.messages), len(shards), folder)  # fmt: skip


def _write_shard(
    shard: Path,
    samples: range,
    results: Iterator[dict[str, bytes] | Unreadable],
    skipping: Skipping,
    bar: tqdm,
) -> None:
    """The next results as a tar, which is not there before it is whole."""
    try:
        from webdataset import TarWriter
    except ImportError as error:
        raise AmtError("Writing shards needs WebDataset: pip install webdataset") from error
    with (
        atomic_write(shard) as temporary,
        TarWriter(str(temporary), encoder=False, mtime=0.0) as tar,
    ):
        for index in samples:
            result = next(results)
            if isinstance(result, Unreadable):
                skipping.add(result.index, result.message)
            else:
                tar.write({"__key__": f"{index:08d}", **result})
            bar.update()
    own = {index: text for index, text in skipping.messages.items() if index in samples}
    write_index(shard, own)


@dataclass(frozen=True)
class _Encode:
    """A job: the files of the samples of a block, by the endings of their names."""

    dataset: HandDataset
    crop: StoredCrop | None
    settings: ConvertSettings
    blocks: list[list[int]]

    def __call__(self, number: int) -> list[dict[str, bytes] | Unreadable]:
        return [self._files(index) for index in self.blocks[number]]

    def _files(self, index: int) -> dict[str, bytes] | Unreadable:
        try:
            sample = self.dataset.sample(index)
            if self.crop is not None:
                sample = crop_sample(sample, self.crop)
        except UnlabelledError:
            return Unreadable(index, "")
        except SampleError as error:
            return Unreadable(index, str(error))
        entry = self.dataset.entries[index]
        labels = encode_labels(sample) | {"sequence": entry.sequence, "frame": entry.frame}
        picture = encode_picture(sample.image, self.settings.image, self.settings.quality)
        files = {self.settings.image: picture, "json": json.dumps(labels).encode()}
        return files if sample.exact is None else files | encode_exact(sample.exact)
