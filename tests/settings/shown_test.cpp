#include "settings/shown.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <string>

using edgewise::settings::shown;

TEST_CASE("short text of letters is shown as it is") {
  CHECK(shown("") == "");
  CHECK(shown("optimizer.learning_rate") == "optimizer.learning_rate");
  CHECK(shown("π η² 学 \xF0\x9F\x99\x82") == "π η² 学 \xF0\x9F\x99\x82");
}

TEST_CASE("what moves the cursor or is no letter is written in hexadecimal digits") {
  CHECK(shown("a\nb\r\t\x1b[2J\x7f") == "a\\x0ab\\x0d\\x09\\x1b[2J\\x7f");
  CHECK(shown(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(shown("\xff\xfe") == "\\xff\\xfe");
  CHECK(shown("\xc2\x85") == "\\xc2\\x85");           // a control character
  CHECK(shown("\xc0\xaf") == "\\xc0\\xaf");           // an overlong slash
  CHECK(shown("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // half of a surrogate pair
  CHECK(shown("\xe2\x82") == "\\xe2\\x82");           // cut short
  // Wherever they stand: the letters around say nothing of them.
  for (const std::string before : {"", "a", "π", "学z", "\xF0\x9F\x99\x82"})
    for (const std::string after : {"", "b", "é"}) {
      CHECK(shown(before + "\xe0\x9f\xbf" + after) == before + "\\xe0\\x9f\\xbf" + after);  // overlong
      CHECK(shown(before + "\xf0\x8f\xbf\xbf" + after) == before + "\\xf0\\x8f\\xbf\\xbf" + after);
      CHECK(shown(before + "\xf4\x90\x80\x80" + after) == before + "\\xf4\\x90\\x80\\x80" + after);  // too large
      CHECK(shown(before + "\xc2\x9f" + after) == before + "\\xc2\\x9f" + after);
      CHECK(shown(before + "\xed\xbf\xbf" + after) == before + "\\xed\\xbf\\xbf" + after);
      for (const std::string letter : {"\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        CHECK(shown(before + letter + after) == before + letter + after);
    }
}

TEST_CASE("the middle of a long text gives way, between letters") {
  CHECK(shown("0123456789", 10) == "0123456789");
  CHECK(shown("0123456789a", 10) == "01234...9a");
  CHECK(shown(std::string(1000000, 'x'), 20).size() == 20);
  CHECK(shown("ηηηηηηηηηη", 12) == "ηηη...η");
  rc::check("never longer, never a control character, both ends kept", [](const std::string& text) {
    const std::size_t most = *rc::gen::inRange<std::size_t>(8, 40);
    const std::string out = shown(text, most);
    RC_ASSERT(out.size() <= most);
    for (const char c : out) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20);
  });
}
