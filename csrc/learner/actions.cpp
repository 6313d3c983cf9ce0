// actions.cpp: checking and converting what a policy returns.
#include "actions.hpp"

#include <pybind11/stl.h>

#include <cmath>
#include <sstream>

namespace uerl {

namespace {

std::string text_of(py::handle object) { return py::str(object).cast<std::string>(); }

[[noreturn]] void refuse(const ActionField& field, const std::string& found,
                         const std::string& expected) {
    throw Error(UERL_E_INVALID,
                "action " + text_of(field.view.key) + " " + found + ", expected " + expected);
}

// C order and the field's own dtype already? Then nothing has to be made.
bool as_wanted(const py::array& array, const py::dtype& dtype) {
    return (array.flags() & py::array::c_style) != 0 &&
           (array.dtype().is(dtype) || array.dtype().equal(dtype));
}

py::array converted(const py::array& array, const py::dtype& dtype) {
    if (as_wanted(array, dtype)) return array;
    return py::module_::import("numpy").attr("ascontiguousarray")(array, dtype);
}

bool is_integer(char kind) { return kind == 'i' || kind == 'u' || kind == 'b'; }

void check_kind(const ActionField& field, char found, char wanted) {
    const bool good = is_integer(wanted) ? is_integer(found)
                      : wanted == 'f'    ? is_integer(found) || found == 'f'
                                         : is_integer(found) || found == 'f' || found == 'c';
    if (!good)
        refuse(field, std::string("has a dtype of kind '") + found + "'",
               text_of(field.view.dtype) + ": convert it");
}

void check_integers(const ActionField& field, const py::array& array, py::ssize_t num_rows) {
    const size_t width = field.check.low.size();
    if (width == 0 || num_rows == 0) return;
    const py::array wide = converted(array, py::dtype::of<int64_t>());
    const int64_t* values = static_cast<const int64_t*>(wide.data());
    for (py::ssize_t row = 0; row < num_rows; row++)
        for (size_t i = 0; i < width; i++) {
            const int64_t value = values[static_cast<size_t>(row) * width + i];
            if (value >= field.check.low[i] && value <= field.check.high[i]) continue;
            std::ostringstream found, expected;
            found << "is " << value << " in row " << row;
            expected << field.check.low[i] << " to " << field.check.high[i] << ": clip it";
            refuse(field, found.str(), expected.str());
        }
}

template <typename Float>
void check_floats(const ActionField& field, const py::array& array) {
    const Float* values = static_cast<const Float*>(array.data());
    const py::ssize_t count = array.size();
    bool any = false;
    for (py::ssize_t i = 0; i < count; i++) any |= std::isnan(values[i]);
    if (!any) return;
    py::ssize_t first = 0;
    while (!std::isnan(values[first])) first++;
    refuse(field, "is NaN in row " + std::to_string(first / (count / array.shape(0))),
           "a number: the policy has diverged, or divides by zero");
}

}  // namespace

py::array checked_action(const ActionField& field, py::handle actions, py::ssize_t num_rows) {
    const FieldView& view = field.view;
    py::array array = py::isinstance<py::array>(actions)
                          ? py::reinterpret_borrow<py::array>(actions)
                          : py::array(py::module_::import("numpy").attr("asarray")(actions));
    if (array.ndim() == 0)
        throw py::type_error("action " + text_of(view.key) +
                             " is a scalar, expected an array with " + std::to_string(num_rows) +
                             " rows");
    const std::vector<py::ssize_t> wanted = view.with_axes({num_rows});
    const bool same_shape = array.ndim() == static_cast<py::ssize_t>(wanted.size()) &&
                            std::equal(wanted.begin(), wanted.end(), array.shape());
    if (!same_shape)
        refuse(field, "has shape " + text_of(array.attr("shape")),
               text_of(py::tuple(py::cast(wanted))) + ": one row for each env");
    const char wanted_kind = view.dtype.kind();
    check_kind(field, array.dtype().kind(), wanted_kind);
    if (is_integer(wanted_kind)) check_integers(field, array, num_rows);
    array = converted(array, view.dtype);
    if (field.check.refuse_nan && num_rows > 0) {
        if (view.dtype.itemsize() == 8)
            check_floats<double>(field, array);
        else if (view.dtype.itemsize() == 4)
            check_floats<float>(field, array);
    }
    return array;
}

}  // namespace uerl
