// Lists that are read without the parser say what the parser would have read.
#include "runtime/policy/plain_lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kLists = R"(mode = "audit"
  allow = [ "bpf" ,  # why
"clock",]
[files]
default = "read" # read = [
write = []
read	=	["/srv",
   # nothing

   "/opt/a b#c]",	"/usr" ] # the end
[network]
allow = ["10.0.0.0/8", "192.0.2.1:443/tcp"]
)";

// The same document, none of whose lists is plain.
std::string with_literals(std::string text) {
    std::replace(text.begin(), text.end(), '"', '\'');
    return text;
}

std::vector<policy::Statement> statements_of(const std::string& text) {
    policy::Mistakes mistakes;
    auto statements = policy::read_statements({{"p.toml", text}}, 0, mistakes);
    EXPECT_TRUE(mistakes.empty()) << mistakes.to_error({{"p.toml", text}}).message();
    return statements;
}

TEST(PlainLists, SayWhatTheParserReads) {
    ASSERT_EQ(policy::take_plain_lists(kLists).lists.size(), 4U);
    ASSERT_TRUE(policy::take_plain_lists(with_literals(kLists)).lists.size() <= 1U);
    const auto plain = statements_of(kLists), parsed = statements_of(with_literals(kLists));
    ASSERT_EQ(plain.size(), parsed.size());
    for (std::size_t i = 0; i < plain.size(); ++i) {
        EXPECT_EQ(plain[i].value, parsed[i].value);
        EXPECT_EQ(plain[i].key, parsed[i].key);
        EXPECT_EQ(plain[i].form, parsed[i].form);
        EXPECT_EQ(plain[i].place.line, parsed[i].place.line) << plain[i].value;
        EXPECT_EQ(plain[i].place.column, parsed[i].place.column) << plain[i].value;
    }
}

TEST(PlainLists, LeaveTheRestWhereItStands) {
    for (const char* rest :
         {"[files]\nread = [\"/a\", \"/b\"] x\n", "[files]\nread = [\n\"/a\"\n  ] x\n",
          "[files]\nread = [\"/a\"]\nread = [\"/b\"]\n", "allow = [\"bpf\"]\nmode = \"no\"\n"}) {
        const std::string wrong = mistakes_of(rest);
        EXPECT_FALSE(wrong.empty());
        EXPECT_EQ(wrong, mistakes_of(with_literals(rest))) << rest;
    }
}

TEST(PlainLists, AreOnlyThoseThatAreCertain) {
    for (const char* text : {
             "read = [\"/a\" \"/b\"]",         // no TOML
             "read = [,\"/a\"]",               //
             "read = [\"/a\",,\"/b\"]",        //
             "read = [\"/a\"",                 //
             "read = [\"/a\n\"]",              //
             "read = [\"/a\"] # \"\"\"",       // may lie in a text
             "read = [\"/a\\n\"]",             // an escape
             "read = [\"/\xc3\xa4\"]",         // columns count letters, not bytes
             "read = [\"/a\", # \xc3\xa4\n]",  //
             "read = [\"/a\", '/b']",          // another kind of text
             "read = [\"/a\", 1]",             //
             "read = [[\"/a\"]]",              //
             "files.read = [\"/a\"]",          // another kind of key
             "\"read\" = [\"/a\"]",            //
             "a = { read = [\"/a\"] }",        //
             "read = [\"/a\",\r\n\"/b\"]",     //
         }) {
        const auto outline = policy::take_plain_lists(text);
        EXPECT_TRUE(outline.lists.empty()) << text;
        EXPECT_EQ(outline.text, text);
    }
}

TEST(PlainLists, BeginALineOfTheDocument) {
    constexpr const char* kInText = "description = '''\nallow = [\"bpf\"]\n'''\n";
    const auto statements = statements_of(kInText);
    ASSERT_EQ(statements.size(), 1U);
    EXPECT_EQ(statements.front().value, "allow = [\"bpf\"]\n");
}

}  // namespace
}  // namespace bulkhead::tests
