// json.hpp: writes JSON. Commas, quotes and indentation are the writer's, the order the caller's.
#ifndef UERL_SIM_JSON_HPP
#define UERL_SIM_JSON_HPP

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace uerl_sim {

class JsonWriter {
  public:
    void begin_object() { begin('{'); }
    void end_object() { end('}'); }
    void begin_array() { begin('['); }
    void end_array() { end(']'); }

    void key(const std::string& name) {
        separate();
        quote(name);
        text_ += ": ";
        after_key_ = true;
    }

    void value(const std::string& text) {
        separate();
        quote(text);
    }

    void value(const char* text) { value(std::string(text)); }

    void value(bool flag) {
        separate();
        text_ += flag ? "true" : "false";
    }

    void value(std::int64_t number) {
        separate();
        text_ += std::to_string(number);
    }

    void value(std::uint64_t number) {
        separate();
        text_ += std::to_string(number);
    }

    void value(std::uint32_t number) { value(std::uint64_t{number}); }

    // The shortest form that reads back as the same number.
    void value(double number) {
        if (!std::isfinite(number))
            throw std::invalid_argument("json value is not finite, expected a number: omit it");
        char digits[40];
        for (int precision = 1; precision <= 17; precision++) {
            std::snprintf(digits, sizeof digits, "%.*g", precision, number);
            if (std::strtod(digits, nullptr) == number) break;
        }
        separate();
        text_ += digits;
    }

    // Ready once every object and array has ended.
    const std::string& text() const { return text_; }

  private:
    struct Scope {
        char bracket;
        bool empty;
    };

    void begin(char bracket) {
        separate();
        text_ += bracket;
        scopes_.push_back({bracket, true});
    }

    void end(char bracket) {
        const bool empty = scopes_.back().empty;
        scopes_.pop_back();
        if (!empty && bracket == '}') break_line();
        text_ += bracket;
    }

    // What stands before a key or a value: in objects each key has a line of its own.
    void separate() {
        if (after_key_ || scopes_.empty()) {
            after_key_ = false;
            return;
        }
        Scope& scope = scopes_.back();
        if (!scope.empty) text_ += scope.bracket == '{' ? "," : ", ";
        if (scope.bracket == '{') break_line();
        scope.empty = false;
    }

    void break_line() {
        text_ += '\n';
        for (const Scope& scope : scopes_) text_ += scope.bracket == '{' ? "  " : "";
    }

    void quote(const std::string& text) {
        text_ += '"';
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                text_ += '\\';
                text_ += c;
            } else if (byte < 0x20) {
                char escape[8];
                std::snprintf(escape, sizeof escape, "\\u%04x", byte);
                text_ += escape;
            } else {
                text_ += c;
            }
        }
        text_ += '"';
    }

    std::string text_;
    std::vector<Scope> scopes_;
    bool after_key_ = false;
};

}  // namespace uerl_sim

#endif
