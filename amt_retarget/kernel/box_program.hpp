// A quadratic program whose only constraints are bounds, and Newton's method with such steps.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

// Minimises 1/2 x' H x + g' x over lower <= x <= upper by projected Newton steps (Bertsekas, "Projected Newton
// methods for optimization problems with simple constraints", SIAM J. Control 1982).
class BoxProgram {
  public:
    explicit BoxProgram(int n) : n_(n), slope_(n), target_(n), step_(n), factor_(static_cast<size_t>(n) * n) {
        free_.reserve(n);
    }

    // Writes the solution to x [n]; false when H [n, n] is not positive definite in the free variables or
    // something is not finite.
    bool solve(const double* hessian, const double* gradient, const double* lower, const double* upper, double* x) {
        for (int i = 0; i < n_; ++i) x[i] = std::min(std::max(0.0, lower[i]), upper[i]);
        double cost = evaluate(hessian, gradient, x);
        if (!std::isfinite(cost)) return false;
        for (int round = 0; round < MAX_ROUNDS; ++round) {
            free_.clear();
            double steepest = 0.0;
            for (int i = 0; i < n_; ++i) {
                if (at_bound(i, -slope_[i], lower, upper, x)) continue;
                free_.push_back(i);
                steepest = std::max(steepest, std::abs(slope_[i]));
            }
            if (free_.empty() || steepest < TOLERANCE) return true;
            do {
                if (!newton_step(hessian)) return false;
            } while (leave_out_blocked(lower, upper, x));
            bool better = false;
            for (double share = 1.0; share > 0.1 && !better; share *= 0.5) {
                better = try_step(share, hessian, gradient, lower, upper, x, cost);
            }
            // Bounds have bent the step too much: as far as it is straight, it leads down.
            if (!better) better = try_step(straight_share(lower, upper, x), hessian, gradient, lower, upper, x, cost);
            if (!better) return true;  // as good as rounding lets it be
            std::copy(target_.begin(), target_.end(), x);
        }
        return true;
    }

  private:
    static constexpr int MAX_ROUNDS = 50;
    static constexpr double TOLERANCE = 1e-12;
    static constexpr double TOUCHING = 1e-12;  // a variable this near to a bound is at it

    static bool at_bound(int i, double way, const double* lower, const double* upper, const double* x) {
        return way > 0.0 ? x[i] >= upper[i] - TOUCHING : x[i] <= lower[i] + TOUCHING;
    }

    // Leaves out the free variables at a bound that the step would push beyond it; whether there are any.
    bool leave_out_blocked(const double* lower, const double* upper, const double* x) {
        size_t kept = 0;
        for (size_t k = 0; k < free_.size(); ++k) {
            const int i = free_[k];
            if (!at_bound(i, step_[k], lower, upper, x)) free_[kept++] = i;
        }
        const bool any = kept < free_.size();
        free_.resize(kept);
        return any;
    }

    // The share of the step at which the first variable is at a bound, at most 1.
    double straight_share(const double* lower, const double* upper, const double* x) const {
        double share = 1.0;
        for (size_t k = 0; k < free_.size(); ++k) {
            const double room = (step_[k] > 0.0 ? upper : lower)[free_[k]] - x[free_[k]];
            if (std::abs(room) < std::abs(share * step_[k])) share = room / step_[k];
        }
        return share;
    }

    // Puts this share of the step, inside the bounds, into target_; whether it costs less, which is the new cost.
    bool try_step(double share, const double* hessian, const double* gradient, const double* lower, const double* upper,
                  const double* x, double& cost) {
        target_.assign(x, x + n_);
        for (size_t k = 0; k < free_.size(); ++k) {
            const int i = free_[k];
            target_[i] = std::min(std::max(x[i] + share * step_[k], lower[i]), upper[i]);
        }
        const double reached = evaluate(hessian, gradient, target_.data());
        if (!(reached < cost)) return false;
        cost = reached;
        return true;
    }

    // The cost at x; leaves its gradient in slope_.
    double evaluate(const double* hessian, const double* gradient, const double* x) {
        double cost = 0.0;
        for (int i = 0; i < n_; ++i) {
            double product = 0.0;
            for (int j = 0; j < n_; ++j) product += hessian[i * n_ + j] * x[j];
            slope_[i] = product + gradient[i];
            cost += x[i] * (0.5 * product + gradient[i]);
        }
        return cost;
    }

    // The minimum over the free variables alone, by Cholesky's decomposition.
    bool newton_step(const double* hessian) {
        const int m = static_cast<int>(free_.size());
        double* l = factor_.data();
        for (int i = 0; i < m; ++i) {
            for (int j = 0; j <= i; ++j) {
                double sum = hessian[free_[i] * n_ + free_[j]];
                for (int k = 0; k < j; ++k) sum -= l[i * m + k] * l[j * m + k];
                if (i != j) {
                    l[i * m + j] = sum / l[j * m + j];
                } else if (sum > 0.0) {
                    l[i * m + i] = std::sqrt(sum);
                } else {
                    return false;  // also for NaN
                }
            }
        }
        for (int i = 0; i < m; ++i) {
            double sum = -slope_[free_[i]];
            for (int k = 0; k < i; ++k) sum -= l[i * m + k] * step_[k];
            step_[i] = sum / l[i * m + i];
        }
        for (int i = m - 1; i >= 0; --i) {
            for (int k = i + 1; k < m; ++k) step_[i] -= l[k * m + i] * step_[k];
            step_[i] /= l[i * m + i];
        }
        return true;
    }

    int n_;
    std::vector<int> free_;
    std::vector<double> slope_, target_, step_, factor_;
};
