# make demo   see a robot hand do what a hand in a video does   (VIDEO=file|0  ROBOT=ur10e  HAND=left  OUT=folder)
# make test   the tests, as in CI
# make bench  the benchmarks: tables, and JSON under out/bench   (DATA=folder with videos/)
# make bench-retarget   retargeting against the libraries in use, with plots and videos
# make bench-model      parameters, GFLOP and latency of the AMT model, on a GPU where there is one
# make bench-small      what the shipped checkpoint is worth: docs/results/small.md   (DATA=folder with videos/)
# make bench-grasp      what the functional grasp model is worth: docs/results/grasp.md   (SET=folder DATA=folder with meshes/ CHECKPOINT=file)
# make bench-training   the data path and the training step; on a GPU where there is one
# make bench-safety     faults, an hour's run, 1000 stops: hours; on an otherwise idle machine   (VIDEO=file MINUTES=60 COUNT=1000)
# make check  ruff and mypy

PYTHON ?= python3
VIDEO  ?= sample
ROBOT  ?= ur5e
HAND   ?= right
OUT    ?= out/demo
MINUTES ?= 60
COUNT  ?= 1000
RUN    := .venv/bin/python -m

.PHONY: demo test bench bench-retarget bench-model bench-small bench-grasp bench-training bench-safety check setup clean

setup:
	@$(PYTHON) tools/setup_environment.py

demo: setup
	@$(RUN) amt_perception.demo --video "$(VIDEO)" --robot "$(ROBOT)" --hand "$(HAND)" --out "$(OUT)"

test: setup
	@$(RUN) pytest

bench: setup
	@$(RUN) benchmarks $(if $(DATA),--data "$(DATA)")

bench-retarget: setup
	@OMP_NUM_THREADS=1 $(RUN) benchmarks.retargeting $(if $(DATA),--data "$(DATA)")

bench-model: setup
	@$(RUN) benchmarks.model

bench-small: setup
	@$(RUN) benchmarks.small $(if $(DATA),--data "$(DATA)")

bench-grasp: setup
	@$(RUN) benchmarks.functional_grasp $(if $(CHECKPOINT),--checkpoint "$(CHECKPOINT)") \
		$(if $(SET),--set "$(SET)") $(if $(DATA),--data "$(DATA)")

bench-training: setup
	@$(RUN) benchmarks.training

bench-safety: setup
	@$(RUN) benchmarks.robot_safety faults
	@$(RUN) benchmarks.robot_safety soak --video "$(VIDEO)" --minutes $(MINUTES)
	@$(RUN) benchmarks.robot_safety stops --video "$(VIDEO)" --count $(COUNT) --parallel 2

check: setup
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@$(RUN) mypy amt_perception/amt_perception amt_retarget/amt_retarget amt_training/amt_training benchmarks tools

clean:
	rm -rf .venv build install log out
