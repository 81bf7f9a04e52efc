// The Python module amt_retarget._kernel: kinematics, objectives and distances of one robot in one call each.
//
// Arrays are C-contiguous doubles: joints in rad, lengths in m. n joints, p points, k vectors, c capsules.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <limits>

#include "arrays.hpp"
#include "box_program.hpp"
#include "collisions.hpp"
#include "objectives.hpp"
#include "tree.hpp"

namespace {

class Kernel {
  public:
    Kernel(const Indices& parents, const Array& rotations, const Array& translations, const Array& axes,
           const Indices& point_joints, const Array& point_offsets, const Indices& vectors, int palm_joint,
           const Array& palm_rotation, const Array& wrist_offset)
        : tree_(make_joints(parents, rotations, translations, axes)),
          objectives_(tree_, make_points(point_joints, point_offsets, tree_.size()),
                      make_vectors(vectors, point_joints.size()), palm_joint,
                      rotation_at(checked(palm_rotation, 9, "palm_rotation")),
                      vector_at(checked(wrist_offset, 3, "wrist_offset"))),
          collisions_(tree_, {}, {}, {}),
          program_(tree_.size()),
          slack_(1),
          gradients_(tree_.size()) {
        check_index(palm_joint, -1, tree_.size(), "palm_joint");
        objectives_.check();
    }
    Kernel(const Kernel&) = delete;  // objectives and collisions refer to this tree

    void set_collisions(const Indices& joints, const Array& starts, const Array& ends, const Array& radii,
                        const Indices& pairs, const Array& clearances, const Indices& table_capsules) {
        check_pairs(pairs, "pairs");
        const py::ssize_t c = joints.size(), m = pairs.size() / 2;
        const double* start = checked(starts, 3 * c, "capsule starts");
        const double* end = checked(ends, 3 * c, "capsule ends");
        const double* radius = checked(radii, c, "capsule radii");
        const double* clearance = checked(clearances, m, "clearances");
        std::vector<Capsule> capsules;
        for (py::ssize_t i = 0; i < c; ++i) {
            check_index(joints.data()[i], -1, tree_.size(), "A capsule's joint");
            capsules.push_back({joints.data()[i], vector_at(start, i), vector_at(end, i), radius[i]});
        }
        std::vector<Pair> checked_pairs;
        for (py::ssize_t i = 0; i < m; ++i) {
            const int first = pairs.data()[2 * i], second = pairs.data()[2 * i + 1];
            check_index(first, 0, c, "A pair's capsule");
            check_index(second, 0, c, "A pair's capsule");
            checked_pairs.push_back({first, second, clearance[i]});
        }
        std::vector<int> above;
        for (py::ssize_t i = 0; i < table_capsules.size(); ++i) {
            check_index(table_capsules.data()[i], 0, c, "A table capsule");
            above.push_back(table_capsules.data()[i]);
        }
        collisions_ = Collisions(tree_, std::move(capsules), std::move(checked_pairs), std::move(above));
        slack_.resize(collisions_.rows());
        gradients_.resize(static_cast<size_t>(collisions_.rows()) * tree_.size());
    }

    Array points(const Array& q) {
        place(q);
        Array out({static_cast<py::ssize_t>(objectives_.points().size()), py::ssize_t{3}});
        double* data = out.mutable_data();
        for (const Point& point : objectives_.points()) {
            write(tree_.position(point), data);
            data += 3;
        }
        return out;
    }

    Array vectors(const Array& q) {
        place(q);
        Array out({static_cast<py::ssize_t>(objectives_.vector_count()), py::ssize_t{3}});
        for (int i = 0; i < objectives_.vector_count(); ++i) write(objectives_.vector(i), out.mutable_data() + 3 * i);
        return out;
    }

    py::tuple palm(const Array& q) {
        place(q);
        Array rotation({3, 3}), wrist(3);
        const Rotation r = objectives_.palm_rotation();
        double* m = rotation.mutable_data();
        for (int row = 0; row < 3; ++row) m[3 * row] = r.x[row], m[3 * row + 1] = r.y[row], m[3 * row + 2] = r.z[row];
        write(objectives_.wrist(), wrist.mutable_data());
        return py::make_tuple(rotation, wrist);
    }

    py::tuple least_squares(const Array& q, const Array& targets, const Array& weights, const Array& betas,
                            const Array& wrist, const Array& rotation, double wrist_weight, double rotation_weight,
                            bool newton) {
        const int k = objectives_.vector_count();
        const py::ssize_t n = tree_.size();
        const double* target = checked(targets, 3 * k, "targets");
        const double* weight = checked(weights, k, "weights");
        const double* beta = checked(betas, k, "betas");
        const double* wrist_target = checked(wrist, 3, "wrist");
        const double* rotation_target = checked(rotation, 9, "rotation");
        place(q);
        Array gradient(n), hessian({n, n});
        Sum sum = zero(gradient, hessian);
        for (int i = 0; i < k; ++i) objectives_.add_vector(i, vector_at(target, i), weight[i], beta[i], newton, sum);
        const double vectors_cost = sum.cost;
        if (wrist_weight > 0.0 || rotation_weight > 0.0) {
            objectives_.add_palm(vector_at(wrist_target), rotation_at(rotation_target), wrist_weight, rotation_weight,
                                 sum);
        }
        return py::make_tuple(vectors_cost, sum.cost - vectors_cost, gradient, hessian);
    }

    // Levenberg-Marquardt with bounds and a trust region, from q on.
    py::tuple minimise(const Array& q, const Array& targets, const Array& weights, const Array& betas,
                       const Array& wrist, const Array& rotation, double wrist_weight, double rotation_weight,
                       const Array& lower, const Array& upper, double trust, double least_decrease, int most_steps,
                       bool newton) {
        const int k = objectives_.vector_count(), n = tree_.size();
        const double* target = checked(targets, 3 * k, "targets");
        const double* weight = checked(weights, k, "weights");
        const double* beta = checked(betas, k, "betas");
        const double* wrist_target = checked(wrist, 3, "wrist");
        const double* rotation_target = checked(rotation, 9, "rotation");
        const double* low = checked(lower, n, "lower");
        const double* high = checked(upper, n, "upper");
        checked(q, n, "q");
        Array result(n);
        double* now = result.mutable_data();
        std::copy_n(q.data(), n, now);
        std::vector<double> gradient(n), hessian(n * n), step_low(n), step_high(n), step(n), reached(n);
        const auto evaluate = [&](const double* at) {
            tree_.place(at);
            std::fill(gradient.begin(), gradient.end(), 0.0);
            std::fill(hessian.begin(), hessian.end(), 0.0);
            Sum sum{0.0, gradient.data(), hessian.data()};
            for (int i = 0; i < k; ++i) {
                objectives_.add_vector(i, vector_at(target, i), weight[i], beta[i], newton, sum);
            }
            if (wrist_weight > 0.0 || rotation_weight > 0.0) {
                objectives_.add_palm(vector_at(wrist_target), rotation_at(rotation_target), wrist_weight,
                                     rotation_weight, sum);
            }
            return sum.cost;
        };
        constexpr double LEAST = 1e-6, FIRST = 1e-3, MORE = 8.0, LESS = 0.1;  // damping, per rad^2
        double damping = LEAST, cost = evaluate(now);
        for (int round = 0; round < most_steps; ++round) {
            for (int i = 0; i < n; ++i) {
                hessian[i * n + i] += damping;
                step_low[i] = std::max(low[i] - now[i], -trust);
                step_high[i] = std::min(high[i] - now[i], trust);
            }
            if (program_.solve(hessian.data(), gradient.data(), step_low.data(), step_high.data(), step.data())) {
                for (int i = 0; i < n; ++i) reached[i] = std::min(std::max(now[i] + step[i], low[i]), high[i]);
                const double better = evaluate(reached.data());
                if (better <= cost) {
                    const double decrease = cost - better;
                    cost = better;
                    std::copy(reached.begin(), reached.end(), now);
                    damping = std::max(LESS * damping, LEAST);
                    if (decrease < least_decrease) break;
                    continue;
                }
            }
            // Indefinite, or too far for the quadratic: the same place again, with more damping.
            damping = std::max(MORE * damping, FIRST);
            evaluate(now);
        }
        return py::make_tuple(result, cost);
    }

    py::tuple lengths(const Array& q, const Array& targets, const Array& weights) {
        const int k = objectives_.vector_count();
        const py::ssize_t n = tree_.size();
        const double* target = checked(targets, k, "targets");
        const double* weight = checked(weights, k, "weights");
        place(q);
        Array gradient(n), hessian({n, n});
        Sum sum = zero(gradient, hessian);
        for (int i = 0; i < k; ++i) objectives_.add_length(i, target[i], weight[i], sum);
        return py::make_tuple(sum.cost, gradient, hessian);
    }

    // Gauss-Newton steps on vectors, lengths, palm and springs to `rest`, inside bounds and a trust region, as long
    // as no pair of capsules comes too near for the linearised distances. See _kernel.pyi.
    py::tuple descend(const Array& q, const Array& targets, const Array& weights, const Array& lengths,
                      const Array& length_weights, const Array& wrist, const Array& rotation, double wrist_weight,
                      double rotation_weight, const Array& rest, const Array& stiffness, double arm_damping,
                      double arm_damping_per_cost, const Array& lower, const Array& upper, double trust,
                      double within, double table, double converged, int steps) {
        const int k = objectives_.vector_count(), n = tree_.size();
        const double* target = checked(targets, 3 * k, "targets");
        const double* weight = checked(weights, k, "weights");
        const double* length = checked(lengths, k, "lengths");
        const double* length_weight = checked(length_weights, k, "length_weights");
        const Vector3 wrist_target = vector_at(checked(wrist, 3, "wrist"));
        const Rotation rotation_target = rotation_at(checked(rotation, 9, "rotation"));
        const double* spring_rest = checked(rest, n, "rest");
        const double* spring = checked(stiffness, n, "stiffness");
        const double* low = checked(lower, n, "lower");
        const double* high = checked(upper, n, "upper");
        Array result(n);
        double* now = result.mutable_data();
        std::copy_n(checked(q, n, "q"), n, now);
        Array gradient(n), hessian({n, n}), step_low(n), step_high(n);
        std::vector<double> step(n);
        while (steps > 0) {
            tree_.place(now);
            Sum sum = zero(gradient, hessian);
            for (int i = 0; i < k; ++i) {
                objectives_.add_vector(i, vector_at(target, i), weight[i], INFINITE, false, sum);
                objectives_.add_length(i, length[i], length_weight[i], sum);
            }
            const double before = sum.cost;
            objectives_.add_palm(wrist_target, rotation_target, wrist_weight, rotation_weight, sum);
            const double damping = arm_damping + arm_damping_per_cost * (sum.cost - before);
            for (int i = 0; i < n; ++i) {
                sum.gradient[i] += spring[i] * (now[i] - spring_rest[i]);
                sum.hessian[i * n + i] += spring[i];
                step_low.mutable_data()[i] = std::max(low[i] - now[i], -trust);
                step_high.mutable_data()[i] = std::min(high[i] - now[i], trust);
            }
            for (int i = objectives_.palm_joint(); i >= 0; i = tree_.parent(i)) sum.hessian[i * n + i] += damping;
            const Reach reach{step_low.data(), step_high.data(), 1.0};
            const int count = collisions_.near(within, table, &reach, slack_.data(), gradients_.data());
            bool good = program_.solve(sum.hessian, sum.gradient, step_low.data(), step_high.data(), step.data());
            for (int r = 0; r < count && good; ++r) {
                double change = slack_[r];
                for (int i = 0; i < n; ++i) change += gradients_[r * n + i] * step[i];
                good = change >= 0.0;
            }
            if (!good) {
                return py::make_tuple(result, steps,
                                      py::make_tuple(hessian, gradient, step_low, step_high, rows(count)));
            }
            double largest = 0.0;
            for (int i = 0; i < n; ++i) {
                now[i] += step[i];
                largest = std::max(largest, std::abs(step[i]));
            }
            steps = largest < converged ? 0 : steps - 1;
        }
        return py::make_tuple(result, 0, py::none());
    }

    py::tuple near(const Array& q, double within, double table) {
        place(q);
        return rows(collisions_.near(within, table, nullptr, slack_.data(), gradients_.data()));
    }

    py::tuple endangered(const Array& q, double within, double table, const Array& lower, const Array& upper,
                         double steps) {
        const py::ssize_t n = tree_.size();
        const Reach reach{checked(lower, n, "lower"), checked(upper, n, "upper"), steps};
        place(q);
        return rows(collisions_.near(within, table, &reach, slack_.data(), gradients_.data()));
    }

    // Whether braking to a standstill, every joint with its own deceleration in steps of dt, keeps all slacks.
    bool can_stop(const Array& q, const Array& velocities, const Array& decelerations, double dt, double least,
                  double table) {
        const int n = tree_.size();
        checked(q, n, "q");
        checked(velocities, n, "velocities");
        const double* deceleration = checked(decelerations, n, "decelerations");
        std::vector<double> position(q.data(), q.data() + n), velocity(velocities.data(), velocities.data() + n);
        for (int round = 0; round < MOST_BRAKING_STEPS; ++round) {
            tree_.place(position.data());
            if (collisions_.near(least, table, nullptr, slack_.data(), gradients_.data()) > 0) return false;
            bool moving = false;
            for (int i = 0; i < n; ++i) {
                const double most = deceleration[i] * dt;
                velocity[i] -= std::min(std::max(velocity[i], -most), most);
                position[i] += velocity[i] * dt;
                moving = moving || velocity[i] != 0.0;
            }
            if (!moving) return true;
        }
        return false;
    }

  private:
    static constexpr int MOST_BRAKING_STEPS = 1000;
    static constexpr double INFINITE = std::numeric_limits<double>::infinity();

    py::tuple rows(py::ssize_t count) const {
        const py::ssize_t n = tree_.size();
        Array slack(count), gradients({count, n});
        std::copy_n(slack_.data(), count, slack.mutable_data());
        std::copy_n(gradients_.data(), count * n, gradients.mutable_data());
        return py::make_tuple(slack, gradients);
    }

    static Sum zero(Array& gradient, Array& hessian) {
        std::fill_n(gradient.mutable_data(), gradient.size(), 0.0);
        std::fill_n(hessian.mutable_data(), hessian.size(), 0.0);
        return {0.0, gradient.mutable_data(), hessian.mutable_data()};
    }

    void place(const Array& q) { tree_.place(checked(q, tree_.size(), "q")); }

    Tree tree_;
    Objectives objectives_;
    Collisions collisions_;
    BoxProgram program_;
    std::vector<double> slack_, gradients_;
};

py::object solve_box_program(const Array& hessian, const Array& gradient, const Array& lower, const Array& upper) {
    const py::ssize_t n = gradient.size();
    const double* h = checked(hessian, n * n, "hessian");
    const double* low = checked(lower, n, "lower");
    const double* high = checked(upper, n, "upper");
    Array x(n);
    BoxProgram program(static_cast<int>(n));
    if (!program.solve(h, gradient.data(), low, high, x.mutable_data())) return py::none();
    return std::move(x);
}

}  // namespace

PYBIND11_MODULE(_kernel, module) {
    module.def("solve_box_program", &solve_box_program);
    py::class_<Kernel>(module, "Kernel")
        .def(py::init<const Indices&, const Array&, const Array&, const Array&, const Indices&, const Array&,
                      const Indices&, int, const Array&, const Array&>())
        .def("set_collisions", &Kernel::set_collisions)
        .def("points", &Kernel::points)
        .def("vectors", &Kernel::vectors)
        .def("palm", &Kernel::palm)
        .def("least_squares", &Kernel::least_squares)
        .def("minimise", &Kernel::minimise)
        .def("descend", &Kernel::descend)
        .def("lengths", &Kernel::lengths)
        .def("near", &Kernel::near)
        .def("can_stop", &Kernel::can_stop)
        .def("endangered", &Kernel::endangered);
}
