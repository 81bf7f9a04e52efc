// From NumPy arrays to the kernel's own types, with their sizes and indices checked.
#pragma once

#include <pybind11/numpy.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "objectives.hpp"
#include "tree.hpp"

namespace py = pybind11;
using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Indices = py::array_t<int, py::array::c_style | py::array::forcecast>;

template <class T>
const T* checked(const py::array_t<T, py::array::c_style | py::array::forcecast>& array, py::ssize_t size,
                 const char* name) {
    if (array.size() != size) {
        throw std::invalid_argument(std::string(name) + " needs " + std::to_string(size) + " numbers, not " +
                                    std::to_string(array.size()) + ".");
    }
    return array.data();
}

inline Vector3 vector_at(const double* data, py::ssize_t i = 0) { return {data[3 * i], data[3 * i + 1], data[3 * i + 2]}; }

inline Rotation rotation_at(const double* data, py::ssize_t i = 0) {
    const double* m = data + 9 * i;
    return {{m[0], m[3], m[6]}, {m[1], m[4], m[7]}, {m[2], m[5], m[8]}};
}

inline void write(Vector3 v, double* out) { out[0] = v.x, out[1] = v.y, out[2] = v.z; }

inline std::vector<Joint> make_joints(const Indices& parents, const Array& rotations, const Array& translations,
                               const Array& axes) {
    const py::ssize_t n = parents.size();
    const double* rotation = checked(rotations, 9 * n, "rotations");
    const double* translation = checked(translations, 3 * n, "translations");
    const double* axis = checked(axes, 3 * n, "axes");
    std::vector<Joint> joints;
    for (py::ssize_t i = 0; i < n; ++i) {
        const int parent = parents.data()[i];
        if (parent < -1 || parent >= i) throw std::invalid_argument("A joint needs a parent before it.");
        joints.push_back({parent, rotation_at(rotation, i), vector_at(translation, i), vector_at(axis, i)});
    }
    return joints;
}

inline void check_index(int index, py::ssize_t low, py::ssize_t size, const char* name) {
    if (index < low || index >= size) throw std::invalid_argument(std::string(name) + " is out of range.");
}

inline std::vector<Point> make_points(const Indices& joints, const Array& offsets, py::ssize_t n) {
    const double* offset = checked(offsets, 3 * joints.size(), "point offsets");
    std::vector<Point> points;
    for (py::ssize_t i = 0; i < joints.size(); ++i) {
        check_index(joints.data()[i], -1, n, "A point's joint");
        points.push_back({joints.data()[i], vector_at(offset, i)});
    }
    return points;
}

inline void check_pairs(const Indices& pairs, const char* name) {
    if (pairs.size() % 2) throw std::invalid_argument(std::string(name) + " needs pairs of indices.");
}

inline std::vector<Vector> make_vectors(const Indices& pairs, py::ssize_t points) {
    check_pairs(pairs, "vectors");
    std::vector<Vector> vectors;
    for (py::ssize_t i = 0; i < pairs.size(); i += 2) {
        check_index(pairs.data()[i], 0, points, "A vector's point");
        check_index(pairs.data()[i + 1], 0, points, "A vector's point");
        vectors.push_back({pairs.data()[i], pairs.data()[i + 1]});
    }
    return vectors;
}
