// actions.hpp: from what a policy returns to action rows in the segment, checked.
#pragma once

#include <cstdint>
#include <vector>

#include "fields.hpp"

namespace uerl {

// What an action field accepts; bounds per element of a row, for integers.
struct ActionCheck {
    bool refuse_nan = false;
    std::vector<int64_t> low, high;  // both empty: no bounds
};

struct ActionField {
    FieldView view;
    ActionCheck check;
};

// The array that `actions` holds for this field: `num_rows` rows in C order, dtype converted where
// nothing is lost in kind, every element checked. Raises SpecError, or TypeError for a scalar.
py::array checked_action(const ActionField& field, py::handle actions, py::ssize_t num_rows);

}  // namespace uerl
