// Forward kinematics of a tree of revolute joints.
#pragma once

#include <vector>

#include "vector.hpp"

struct Joint {
    int parent;            // index of the joint before it, smaller than its own; -1 for the base
    Rotation rotation;     // of the joint's frame at angle 0 in its parent's frame
    Vector3 translation;   // likewise (m)
    Vector3 axis;          // unit vector in the joint's frame
};

// A point that moves with a joint; joint -1 is the base.
struct Point {
    int joint;
    Vector3 offset;  // in the joint's frame (m)
};

class Tree {
  public:
    explicit Tree(std::vector<Joint> joints)
        : joints_(std::move(joints)), rotations_(joints_.size()), origins_(joints_.size()), axes_(joints_.size()) {}

    int size() const { return static_cast<int>(joints_.size()); }
    int parent(int joint) const { return joints_[joint].parent; }

    // Places all joints at the angles q (rad).
    void place(const double* q) {
        for (int i = 0; i < size(); ++i) {
            const Joint& joint = joints_[i];
            const Rotation before = joint.parent < 0 ? Rotation{} : rotations_[joint.parent];
            const Vector3 origin = joint.parent < 0 ? Vector3{} : origins_[joint.parent];
            const Rotation at_zero = before * joint.rotation;
            origins_[i] = origin + before * joint.translation;
            axes_[i] = at_zero * joint.axis;
            rotations_[i] = at_zero * rotation_about(joint.axis, q[i]);
        }
    }

    // All of the following are in the base frame, at the angles last placed.
    Rotation rotation(int joint) const { return joint < 0 ? Rotation{} : rotations_[joint]; }
    Vector3 position(const Point& point) const {
        return point.joint < 0 ? point.offset : origins_[point.joint] + rotations_[point.joint] * point.offset;
    }
    Vector3 axis(int joint) const { return axes_[joint]; }
    // Velocity of a point at `position` for a unit velocity of a joint before it.
    Vector3 column(int joint, Vector3 position) const { return cross(axes_[joint], position - origins_[joint]); }

  private:
    std::vector<Joint> joints_;
    std::vector<Rotation> rotations_;
    std::vector<Vector3> origins_, axes_;
};
