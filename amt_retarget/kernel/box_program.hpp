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

    // Writes the solution to x [n]; false when H [n, n] is not positive definite in the free variables.
    bool solve(const double* hessian, const double* gradient, const double* lower, const double* upper, double* x) {
        for (int i = 0; i < n_; ++i) x[i] = std::min(std::max(0.0, lower[i]), upper[i]);
        double cost = evaluate(hessian, gradient, x);
        for (int round = 0; round < MAX_ROUNDS; ++round) {
            free_.clear();
            double steepest = 0.0;
            for (int i = 0; i < n_; ++i) {
                const bool held = (x[i] <= lower[i] && slope_[i] >= 0.0) || (x[i] >= upper[i] && slope_[i] <= 0.0);
                if (held) continue;
                free_.push_back(i);
                steepest = std::max(steepest, std::abs(slope_[i]));
            }
            if (free_.empty() || steepest < TOLERANCE) return true;
            if (!newton_step(hessian)) return false;
            bool better = false;
            for (double share = 1.0; share > 1e-6 && !better; share *= 0.5) {
                target_.assign(x, x + n_);
                for (size_t k = 0; k < free_.size(); ++k) {
                    const int i = free_[k];
                    target_[i] = std::min(std::max(x[i] + share * step_[k], lower[i]), upper[i]);
                }
                const double reached = evaluate(hessian, gradient, target_.data());
                better = reached < cost;
                if (better) cost = reached;
            }
            if (!better) return true;  // as good as rounding lets it be
            std::copy(target_.begin(), target_.end(), x);
        }
        return true;
    }

  private:
    static constexpr int MAX_ROUNDS = 50;
    static constexpr double TOLERANCE = 1e-12;

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
