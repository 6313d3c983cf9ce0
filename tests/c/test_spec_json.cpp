// test_spec_json.cpp: the JSON writer, specs as JSON, and values of options.
#include <limits>

#include "check.h"
#include "json.hpp"
#include "scene.hpp"

using namespace uerl_sim;

static std::string as_json(double number)
{
    JsonWriter json;
    json.value(number);
    return json.text();
}

template <typename Call> static std::string usage_error(Call call)
{
    try {
        call();
    } catch (const UsageError &error) {
        return error.what();
    }
    return "";
}

TEST(numbers_are_written_as_short_as_they_read_back)
{
    CHECK(as_json(0.1) == "0.1");
    CHECK(as_json(-1.0) == "-1");
    CHECK(as_json(1.0 / 3.0) == "0.3333333333333333");
    CHECK(as_json(1e300) == "1e+300");
}

TEST(numbers_that_json_lacks_are_refused)
{
    bool refused = false;
    try {
        as_json(std::numeric_limits<double>::infinity());
    } catch (const std::invalid_argument &) {
        refused = true;
    }
    CHECK(refused);
}

TEST(quotes_backslashes_and_control_characters_are_escaped)
{
    JsonWriter json;
    json.value("a\"b\\c\nd");
    CHECK(json.text() == "\"a\\\"b\\\\c\\u000ad\"");
}

TEST(commas_stand_between_values_only)
{
    JsonWriter json;
    json.begin_object();
    json.key("a");
    json.begin_array();
    json.value(std::int64_t{1});
    json.value(true);
    json.end_array();
    json.key("b");
    json.begin_object();
    json.end_object();
    json.end_object();
    CHECK(json.text() == "{\n  \"a\": [1, true],\n  \"b\": {}\n}");
}

TEST(bounds_and_choices_are_nested_like_the_shape)
{
    ArraySpec array = box("x", UERL_DTYPE_FLOAT32, {2, 2});
    array.low = {1.0, 2.0, 3.0, 4.0};
    array.high = {9.0};
    ArraySpec choices = box("y", UERL_DTYPE_INT64, {2});
    choices.kind = Kind::multi_discrete;
    choices.nvec = {3, 5};
    Spec spec;
    spec.groups.emplace_back();
    spec.groups[0].observation = {array};
    spec.groups[0].action = {choices, discrete("z", 4)};
    const std::string json = to_json(spec);
    CHECK(json.find("\"low\": [[1, 2], [3, 4]]") != std::string::npos);
    CHECK(json.find("\"high\": 9") != std::string::npos);
    CHECK(json.find("\"nvec\": [3, 5]") != std::string::npos);
    CHECK(json.find("\"nvec\": [4]") != std::string::npos);
}

TEST(dtypes_go_by_the_names_of_numpy)
{
    for (std::uint32_t dtype = UERL_DTYPE_BOOL; dtype <= UERL_DTYPE_COMPLEX128; dtype++) {
        CHECK(dtype_name(dtype) != nullptr);
        CHECK_EQUAL(dtype_of_name(dtype_name(dtype)), dtype);
        CHECK(dtype_bytes(dtype) > 0);
    }
    CHECK_EQUAL(dtype_of_name("float"), 0);
    CHECK_EQUAL(dtype_bytes(99), 0);
    CHECK_EQUAL(num_row_bytes(box("x", UERL_DTYPE_INT16, {3, 4})), 24);
}

TEST(bad_values_of_options_are_named_with_what_was_expected)
{
    for (const char *value : {"", "x", "3x", "-1", "11", "99999999999999999999", " 3"}) {
        const std::string text = usage_error([&] { parse_integer("--n", value, 0, 10); });
        CHECK(text.find("option --n is '" + std::string(value) + "'") == 0);
        CHECK(text.find("from 0 to 10") != std::string::npos);
    }
    CHECK_EQUAL(parse_integer("--n", "10", 0, 10), 10);
    CHECK(!usage_error([] { parse_choice("--c", "c", {"a", "b"}); }).empty());
    CHECK(parse_choice("--c", "b", {"a", "b"}) == "b");
}

TEST(frames_are_width_by_height_within_1280x720)
{
    const FrameSize size = parse_frame("--frame", "1280x720");
    CHECK_EQUAL(size.width, 1280);
    CHECK_EQUAL(size.height, 720);
    for (const char *value : {"84", "0x84", "84x", "x84", "1281x720", "84x84x3", "84X84"})
        CHECK(!usage_error([&] { parse_frame("--frame", value); }).empty());
}

TEST(bad_arrays_of_probe_are_refused)
{
    for (const char *value :
         {"x", "x:uint8", "x:float:3", ":uint8:3", "X:uint8:3", "x:uint8:0", "x:uint8:3x",
          "x:uint8:", "x:uint8:1x1x1x1x1x1x1x1x1", "x:uint8:1073741824x2",
          "a_name_of_more_than_40_letters_is_too_long_here:uint8:3"}) {
        const std::unique_ptr<Scene> scene = make_probe();
        CHECK(!usage_error([&] { scene->set_option("--observation", value); }).empty());
    }
    const std::unique_ptr<Scene> scene = make_probe();
    scene->set_option("--observation", "x:float16:3x4");
    scene->set_option("--observation", "y:bool:scalar");
    CHECK(!usage_error([&] { scene->set_option("--observation", "x:int8:1"); }).empty());
    CHECK(!usage_error([&] { scene->set_option("--info", "step:int8:1"); }).empty());
    const Spec spec = scene->spec();
    CHECK_EQUAL(spec.groups[0].observation.size(), 2);
    CHECK_EQUAL(num_row_bytes(spec.groups[0].observation[0]), 24);
    CHECK_EQUAL(num_row_bytes(spec.groups[0].observation[1]), 1);
}

int main()
{
    RUN(numbers_are_written_as_short_as_they_read_back);
    RUN(numbers_that_json_lacks_are_refused);
    RUN(quotes_backslashes_and_control_characters_are_escaped);
    RUN(commas_stand_between_values_only);
    RUN(bounds_and_choices_are_nested_like_the_shape);
    RUN(dtypes_go_by_the_names_of_numpy);
    RUN(bad_values_of_options_are_named_with_what_was_expected);
    RUN(frames_are_width_by_height_within_1280x720);
    RUN(bad_arrays_of_probe_are_refused);
    return check_result();
}
