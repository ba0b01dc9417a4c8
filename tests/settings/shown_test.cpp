#include "settings/shown.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <string>
#include <utility>
#include <vector>

using edgewise::settings::letter_size;
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
  CHECK(rc::check("never longer, never a control character, both ends kept", [](const std::string& text) {
    const std::size_t most = *rc::gen::inRange<std::size_t>(8, 40);
    const std::string out = shown(text, most);
    RC_ASSERT(out.size() <= most);
    for (const char c : out) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20);
  }));
}

TEST_CASE("a text of any length, by a plain rendering of what is shown") {
  // Letters of one to four bytes, and bytes that are none, each as it is written.
  const std::vector<std::pair<std::string, std::string>> letters = {
      {"a", "a"},      {"é", "é"},       {"学", "学"}, {"\xF0\x9F\x99\x82", "\xF0\x9F\x99\x82"},
      {"\n", "\\x0a"}, {"\xff", "\\xff"}};
  CHECK(rc::check([&] {
    const auto most = *rc::gen::inRange<std::size_t>(8, 30);
    std::string text;
    std::vector<std::string> pieces;
    std::size_t whole = 0;
    for (int n = *rc::gen::inRange(0, 200); n > 0; --n) {
      const auto& [raw, written] = letters[*rc::gen::inRange<std::size_t>(0, letters.size())];
      text += raw;
      pieces.push_back(written);
      whole += written.size();
    }
    std::string expected;
    if (whole <= most) {
      for (const std::string& piece : pieces) expected += piece;
    } else {
      // Two thirds of what the dots leave are the beginning's, a third the end's.
      const std::size_t back_room = (most - 3) / 3, front_room = most - 3 - back_room;
      std::string back;
      for (std::size_t i = 0; i < pieces.size() && expected.size() + pieces[i].size() <= front_room; ++i)
        expected += pieces[i];
      for (std::size_t i = pieces.size(); i > 0 && back.size() + pieces[i - 1].size() <= back_room; --i)
        back = pieces[i - 1] + back;
      expected += "..." + back;
    }
    RC_ASSERT(shown(text, most) == expected);
  }));
  CHECK(shown("abcd", 3) == "...");
  CHECK(shown("abcdef", 4) == "a...");
  CHECK(shown(std::string(65, 'x')) == std::string(41, 'x') + "..." + std::string(20, 'x'));
  CHECK(letter_size("aé", 0) == 1);
  CHECK(letter_size("aé", 1) == 2);
  CHECK(letter_size("学", 0) == 3);
  CHECK(letter_size("学", 1) == 0);
  CHECK(letter_size("\xF0\x9F\x99\x82", 0) == 4);
  CHECK(letter_size("a", 1) == 0);
}
