// Distances of capsules in closed form, with their gradients in the joints.
#pragma once

#include <algorithm>
#include <vector>

#include "tree.hpp"

struct Capsule {
    int joint;           // -1 for the base
    Vector3 start, end;  // of the segment, in the joint's frame (m)
    double radius;
};

struct Pair {
    int first, second;  // indices of capsules
    double clearance;   // least distance between the surfaces (m)
};

// What the joints can do: this many steps, each from lower [n] to upper [n] (rad).
struct Reach {
    const double *lower, *upper;
    double steps;
};

class Collisions {
  public:
    Collisions(const Tree& tree, std::vector<Capsule> capsules, std::vector<Pair> pairs, std::vector<int> table_capsules)
        : tree_(&tree), capsules_(std::move(capsules)), pairs_(std::move(pairs)),
          table_capsules_(std::move(table_capsules)), segments_(capsules_.size()) {}

    // One more than there can be: the place of a row that is looked at and left out.
    int rows() const { return static_cast<int>(pairs_.size() + 2 * table_capsules_.size()) + 1; }

    // Writes, for every pair closer than its clearance + `within`, its slack (its distance less the clearance, m)
    // and the gradient of that in the joints, a row [n]; returns how many. With `reach`, pairs that cannot use up
    // their slack there are left out. The last rows are those of capsule ends above the table at height table (m).
    int near(double within, double table, const Reach* reach, double* slack, double* gradient) {
        for (size_t i = 0; i < capsules_.size(); ++i) {
            segments_[i] = {tree_->position({capsules_[i].joint, capsules_[i].start}),
                            tree_->position({capsules_[i].joint, capsules_[i].end})};
        }
        int count = 0;
        for (const Pair& pair : pairs_) {
            const double contact = capsules_[pair.first].radius + capsules_[pair.second].radius + pair.clearance;
            const Segment &a = segments_[pair.first], &b = segments_[pair.second];
            // Two balls around the segments' middles that do not come near: nothing to compute.
            const Vector3 middles = 0.5 * ((a.start + a.end) - (b.start + b.end));
            const double outer = contact + within + 0.5 * (norm(a.end - a.start) + norm(b.end - b.start));
            if (dot(middles, middles) > outer * outer) continue;
            Vector3 on_a, on_b;
            closest_points(a, b, on_a, on_b);
            const double distance = norm(on_a - on_b);
            if (distance > contact + within) continue;
            const Vector3 normal = distance > 1e-9 ? (1.0 / distance) * (on_a - on_b) : across(a, b);
            slack[count] = distance - contact;
            double* row = gradient + count * tree_->size();
            std::fill(row, row + tree_->size(), 0.0);
            add_row(capsules_[pair.first].joint, on_a, normal, row);
            add_row(capsules_[pair.second].joint, on_b, -1.0 * normal, row);
            if (!reach || slack[count] < shrinking(row, *reach)) ++count;
        }
        for (int i : table_capsules_) {
            for (Vector3 end : {segments_[i].start, segments_[i].end}) {
                const double height = end.z - capsules_[i].radius - table;
                if (height > within) continue;
                slack[count] = height;
                double* row = gradient + count * tree_->size();
                std::fill(row, row + tree_->size(), 0.0);
                add_row(capsules_[i].joint, end, {0.0, 0.0, 1.0}, row);
                if (!reach || height < shrinking(row, *reach)) ++count;
            }
        }
        return count;
    }

  private:
    struct Segment {
        Vector3 start, end;
    };

    // Ericson, Real-Time Collision Detection (2005), section 5.1.9.
    static void closest_points(const Segment& a, const Segment& b, Vector3& on_a, Vector3& on_b) {
        const Vector3 along_a = a.end - a.start, along_b = b.end - b.start, between = a.start - b.start;
        const double aa = dot(along_a, along_a), bb = dot(along_b, along_b), ab = dot(along_a, along_b);
        const double c = dot(along_a, between), f = dot(along_b, between);
        constexpr double TINY = 1e-12;
        double s = 0.0, t = 0.0;
        if (aa > TINY && bb > TINY) {
            const double determinant = aa * bb - ab * ab;
            s = determinant > TINY * aa * bb ? clamp((ab * f - c * bb) / determinant) : 0.5;
            t = (ab * s + f) / bb;
            if (t < 0.0 || t > 1.0) {
                t = clamp(t);
                s = clamp((ab * t - c) / aa);
            }
        } else if (aa > TINY) {
            s = clamp(-c / aa);
        } else if (bb > TINY) {
            t = clamp(f / bb);
        }
        on_a = a.start + s * along_a;
        on_b = b.start + t * along_b;
    }

    static double clamp(double value) { return std::min(std::max(value, 0.0), 1.0); }

    // A direction away from both segments, for two that cross each other.
    static Vector3 across(const Segment& a, const Segment& b) {
        Vector3 normal = cross(a.end - a.start, b.end - b.start);
        if (norm(normal) < 1e-12) normal = {0.0, 0.0, 1.0};
        return (1.0 / norm(normal)) * normal;
    }

    // The most that a distance with this gradient shrinks.
    double shrinking(const double* row, const Reach& reach) const {
        double change = 0.0;
        for (int j = 0; j < tree_->size(); ++j) change -= std::min(row[j] * reach.lower[j], row[j] * reach.upper[j]);
        return reach.steps * change;
    }

    void add_row(int joint, Vector3 position, Vector3 normal, double* row) const {
        for (int j = joint; j >= 0; j = tree_->parent(j)) row[j] += dot(normal, tree_->column(j, position));
    }

    const Tree* tree_;
    std::vector<Capsule> capsules_;
    std::vector<Pair> pairs_;
    std::vector<int> table_capsules_;
    std::vector<Segment> segments_;
};
