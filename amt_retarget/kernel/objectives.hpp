// Weighted least squares of the hand's vectors and the palm's pose: cost, gradient, Gauss-Newton Hessian.
#pragma once

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "tree.hpp"

// From one point to another, in the palm's axes. Both move with the palm, so the arm does not change it.
struct Vector {
    int from, to;  // indices of points
};

// The sum of the terms so far; hessian is [n, n], row by row, gradient [n].
struct Sum {
    double cost = 0.0;
    double* gradient;
    double* hessian;
};

class Objectives {
  public:
    Objectives(Tree& tree, std::vector<Point> points, std::vector<Vector> vectors, int palm_joint,
               Rotation palm_rotation, Vector3 wrist_offset)
        : tree_(tree), points_(std::move(points)), vectors_(std::move(vectors)), palm_joint_(palm_joint),
          palm_rotation_(palm_rotation), wrist_{palm_joint, wrist_offset} {}

    // Throws unless all vectors move with the palm and no term depends on more than MAX_COLUMNS joints.
    void check() const {
        int most = joints_between(palm_joint_, -1);
        for (const Vector& vector : vectors_) {
            const int from = joints_between(points_[vector.from].joint, palm_joint_);
            const int to = joints_between(points_[vector.to].joint, palm_joint_);
            if (from < 0 || to < 0) throw std::invalid_argument("A vector's points must move with the palm.");
            most = std::max(most, from + to);
        }
        if (most > MAX_COLUMNS) {
            throw std::invalid_argument("There are too many joints between base and palm or palm and points.");
        }
    }

    const std::vector<Point>& points() const { return points_; }
    int palm_joint() const { return palm_joint_; }
    int vector_count() const { return static_cast<int>(vectors_.size()); }
    Rotation palm_rotation() const { return tree_.rotation(palm_joint_) * palm_rotation_; }
    Vector3 wrist() const { return tree_.position(wrist_); }

    Vector3 vector(int i) const {
        const Vector3 difference =
            tree_.position(points_[vectors_[i].to]) - tree_.position(points_[vectors_[i].from]);
        return into(palm_rotation(), difference);
    }

    // Adds weight * smooth_l1(|vector - target|): r^2 / (2 beta) below beta, r - beta / 2 above it; for
    // beta = infinity, weight * r^2 / 2. With `newton` the Hessian is exact, also in the curvature of the
    // kinematics, and may be indefinite. Without, it is positive semidefinite: above beta that of the quadratic
    // that touches the cost at this residual from above (iteratively reweighted least squares).
    void add_vector(int i, Vector3 target, double weight, double beta, bool newton, Sum& sum) const {
        if (weight == 0.0) return;
        const Vector3 residual = vector(i) - target;
        const double length = norm(residual);
        double across = weight, along = weight;  // curvature of the cost across and along the residual
        if (std::isinf(beta)) {
            sum.cost += 0.5 * weight * length * length;
        } else if (length < beta) {
            sum.cost += 0.5 * weight * length * length / beta;
            across = along = weight / beta;
        } else {
            sum.cost += weight * (length - 0.5 * beta);
            across = weight / length;
            along = newton ? 0.0 : across;
        }
        const Rotation palm = palm_rotation();
        const Vector3 force = across * (palm * residual);
        const Vector3 direction = palm * ((1.0 / std::max(length, 1e-12)) * residual);
        Column columns[MAX_COLUMNS];
        int count = 0;
        for (const int end : {0, 1}) {
            const int first = count;
            add_columns(i, end, columns, count);
            if (newton) {
                for (int a = first; a < count; ++a) {
                    for (int b = first; b <= a; ++b) {  // b is nearer to the tip, a to the palm
                        const double h = dot(force, cross(tree_.axis(columns[a].joint), columns[b].value));
                        at(sum, columns[a].joint, columns[b].joint) += h;
                        if (a != b) at(sum, columns[b].joint, columns[a].joint) += h;
                    }
                }
            }
        }
        for (int a = 0; a < count; ++a) {
            sum.gradient[columns[a].joint] += dot(columns[a].value, force);
            for (int b = 0; b < count; ++b) {
                at(sum, columns[a].joint, columns[b].joint) +=
                    across * dot(columns[a].value, columns[b].value) +
                    (along - across) * dot(columns[a].value, direction) * dot(columns[b].value, direction);
            }
        }
    }

    // Adds weight * (|vector| - target)^2 / 2.
    void add_length(int i, double target, double weight, Sum& sum) const {
        if (weight == 0.0) return;
        const Vector3 now = vector(i);
        const double length = std::max(norm(now), 1e-12);
        const Vector3 direction = palm_rotation() * ((1.0 / length) * now);
        Column columns[MAX_COLUMNS];
        int count = 0;
        add_columns(i, 0, columns, count);
        add_columns(i, 1, columns, count);
        sum.cost += 0.5 * weight * (length - target) * (length - target);
        for (int a = 0; a < count; ++a) {
            const double slope = dot(columns[a].value, direction);
            sum.gradient[columns[a].joint] += weight * (length - target) * slope;
            for (int b = 0; b < count; ++b) {
                at(sum, columns[a].joint, columns[b].joint) += weight * slope * dot(columns[b].value, direction);
            }
        }
    }

    // Adds the squared distance of the wrist point and the squared angle of the palm from their targets.
    void add_palm(Vector3 position, const Rotation& rotation, double position_weight, double rotation_weight,
                  Sum& sum) const {
        const Vector3 offset = wrist() - position;
        const Rotation now = palm_rotation();
        // now * transpose(target): what turns the target into the pose that the palm has now.
        const Rotation target_rows{{rotation.x.x, rotation.y.x, rotation.z.x},
                                   {rotation.x.y, rotation.y.y, rotation.z.y},
                                   {rotation.x.z, rotation.y.z, rotation.z.z}};
        const Vector3 angle = rotation_vector(now * target_rows);
        sum.cost += 0.5 * (position_weight * dot(offset, offset) + rotation_weight * dot(angle, angle));
        Column linear[MAX_COLUMNS], angular[MAX_COLUMNS];
        int count = 0;
        for (int j = palm_joint_; j >= 0; j = tree_.parent(j), ++count) {
            linear[count] = {j, tree_.column(j, wrist())};
            angular[count] = {j, tree_.axis(j)};
        }
        add_rows(linear, count, offset, position_weight, sum);
        add_rows(angular, count, angle, rotation_weight, sum);
    }

  private:
    static constexpr int MAX_COLUMNS = 16;
    struct Column {
        int joint;
        Vector3 value;
    };

    // How many joints move `joint` but not `before`; -1 when `joint` does not move with `before`.
    int joints_between(int joint, int before) const {
        int count = 0;
        for (; joint > before; joint = tree_.parent(joint)) ++count;
        return joint == before ? count : -1;
    }

    double& at(Sum& sum, int row, int column) const { return sum.hessian[row * tree_.size() + column]; }

    // What the joints between the palm and one end of a vector (0: from, 1: to) add to the vector's change.
    void add_columns(int i, int end, Column* columns, int& count) const {
        const Point& point = points_[end ? vectors_[i].to : vectors_[i].from];
        const Vector3 position = tree_.position(point);
        for (int j = point.joint; j > palm_joint_; j = tree_.parent(j)) {
            columns[count++] = {j, (end ? 1.0 : -1.0) * tree_.column(j, position)};
        }
    }

    void add_rows(const Column* columns, int count, Vector3 residual, double weight, Sum& sum) const {
        for (int a = 0; a < count; ++a) {
            sum.gradient[columns[a].joint] += weight * dot(columns[a].value, residual);
            for (int b = 0; b < count; ++b) {
                at(sum, columns[a].joint, columns[b].joint) +=
                    weight * dot(columns[a].value, columns[b].value);
            }
        }
    }

    Tree& tree_;
    std::vector<Point> points_;
    std::vector<Vector> vectors_;
    int palm_joint_;
    Rotation palm_rotation_;
    Point wrist_;
};
