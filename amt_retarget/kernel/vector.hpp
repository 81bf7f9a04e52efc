// Three-dimensional vectors and rotations: the little algebra that the kernel needs.
#pragma once

#include <cmath>

struct Vector3 {
    double x = 0.0, y = 0.0, z = 0.0;
    double operator[](int i) const { return i == 0 ? x : i == 1 ? y : z; }
};

inline Vector3 operator+(Vector3 a, Vector3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vector3 operator-(Vector3 a, Vector3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vector3 operator*(double s, Vector3 a) { return {s * a.x, s * a.y, s * a.z}; }
inline double dot(Vector3 a, Vector3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline double norm(Vector3 a) { return std::sqrt(dot(a, a)); }
inline Vector3 cross(Vector3 a, Vector3 b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// A rotation matrix, kept as its columns: the axes of the rotated frame.
struct Rotation {
    Vector3 x{1.0, 0.0, 0.0}, y{0.0, 1.0, 0.0}, z{0.0, 0.0, 1.0};
};

inline Vector3 operator*(const Rotation& r, Vector3 v) { return v.x * r.x + v.y * r.y + v.z * r.z; }
inline Rotation operator*(const Rotation& a, const Rotation& b) { return {a * b.x, a * b.y, a * b.z}; }
// The vector in the axes of the rotated frame: transpose times vector.
inline Vector3 into(const Rotation& r, Vector3 v) { return {dot(r.x, v), dot(r.y, v), dot(r.z, v)}; }

// Rotation by an angle about a unit axis (Rodrigues).
inline Rotation rotation_about(Vector3 axis, double angle) {
    const double s = std::sin(angle), c = std::cos(angle), k = 1.0 - c;
    const Vector3 a = axis;
    return {{c + k * a.x * a.x, k * a.x * a.y + s * a.z, k * a.x * a.z - s * a.y},
            {k * a.x * a.y - s * a.z, c + k * a.y * a.y, k * a.y * a.z + s * a.x},
            {k * a.x * a.z + s * a.y, k * a.y * a.z - s * a.x, c + k * a.z * a.z}};
}

// The rotation vector of a rotation matrix, of a length up to pi (the matrix logarithm).
inline Vector3 rotation_vector(const Rotation& r) {
    // Twice the sine times the axis, and twice the cosine, of the angle.
    const Vector3 sine{r.y.z - r.z.y, r.z.x - r.x.z, r.x.y - r.y.x};
    const double trace = r.x.x + r.y.y + r.z.z;
    const double length = norm(sine);
    const double angle = std::atan2(length, trace - 1.0);
    if (trace > -0.99) return (length > 1e-9 ? angle / length : 0.5) * sine;
    // Near half a turn the sine vanishes; the axis is the largest column of r + 1 there.
    const Vector3 columns[3] = {{r.x.x + 1.0, r.x.y, r.x.z}, {r.y.x, r.y.y + 1.0, r.y.z}, {r.z.x, r.z.y, r.z.z + 1.0}};
    Vector3 axis = columns[0];
    for (const Vector3& column : columns) {
        if (norm(column) > norm(axis)) axis = column;
    }
    const double sign = dot(axis, sine) < 0.0 ? -1.0 : 1.0;
    return (sign * angle / norm(axis)) * axis;
}
