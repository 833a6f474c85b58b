#include <fmt/format.h>

#include "data/text/corpus.h"
#include "data/text/table.h"
#include "data/text/utf8.h"
#include "data/text_files.h"

namespace saltus {
namespace {

/// "good: Fine wine | bad: Sour": a corpus's documents in order.
std::string told(const Corpus& corpus) {
  std::string text;
  for (const Document& d : corpus.documents)
    text +=
        fmt::format("{}{}: {}", text.empty() ? "" : " | ", corpus.classes[static_cast<std::size_t>(d.label)], d.text);
  return text;
}

std::string error_with(const std::string& name, const std::string& bytes) {
  const TextFolder folder;
  const std::string path = folder.write(name, bytes);
  return error_of(folder, [&path] { load_corpus(path); });
}

Corpus corpus_of(const std::string& name, const std::string& bytes) {
  const TextFolder folder;
  return load_corpus(folder.write(name, bytes));
}

}  // namespace

TEST_CASE("a table without a header has label and text") {
  const TextFolder folder;
  const std::string path = folder.write("a.tsv", "good\tFine \"wine\"\nbad\tSour\ngood\tRipe, red\r\n");
  const Corpus corpus = load_corpus(path);
  CHECK(told(corpus) == "good: Fine \"wine\" | bad: Sour | good: Ripe, red");
  CHECK(corpus.classes == std::vector<std::string>{"bad", "good"});
  CHECK(corpus.documents[1].source == path + ":2");
  CHECK(corpus.documents[1].part == Part::unassigned);
  CHECK(corpus.provenance.source == path);
  CHECK(corpus.provenance.sha256 == sha256_hex(read_bytes(path)));
}

TEST_CASE("a header says where the columns are") {
  CHECK(told(corpus_of("a.csv", "id,Text,LABEL\n1,Fine,good\n2,Sour,bad\n")) == "good: Fine | bad: Sour");
  const Corpus corpus = corpus_of("a.tsv",
                                  "label\tpart\tsource\tescaped_text\ngood\ttrain\trow 1\tFine\\twine\\nand \\\\ "
                                  "bread\\r\nbad\ttest\trow 2\tSour\n");
  CHECK(told(corpus) == "good: Fine\twine\nand \\ bread\r | bad: Sour");
  CHECK(corpus.documents[0].part == Part::train);
  CHECK(corpus.documents[1].part == Part::test);
  CHECK(corpus.documents[1].source == "row 2");
}

TEST_CASE("classes that are whole numbers are in the order of their values") {
  CHECK(corpus_of("a.csv", "10,x\n9,y\n-1,z\n").classes == std::vector<std::string>{"-1", "9", "10"});
  CHECK(corpus_of("a.csv", "10,x\n9,y\nb,z\n").classes == std::vector<std::string>{"10", "9", "b"});
}

TEST_CASE("quotes of a csv hold commas, quotes and line ends") {
  const Corpus corpus = corpus_of(
      "a.csv", "\xEF\xBB\xBFgood,\"Fine, \"\"dry\"\"\nwine\r\n\"\r\nbad,Sour\r\n\"bad\",\"x\"\ngood,\"\"\"\"");
  CHECK(told(corpus) == "good: Fine, \"dry\"\nwine\r\n | bad: Sour | bad: x | good: \"");
  CHECK(corpus.documents[1].source.ends_with("a.csv:4"));
}

TEST_CASE("what is wrong with a table is said with its line") {
  CHECK(error_with("a.tsv", "good\tx\nbad y\n") ==
        "a.tsv:2: error: there is no tab in this line: expected label, tab, text");
  CHECK(error_with("a.tsv", "label\ttext\ngood\tx\ty\n") ==
        "a.tsv:2: error: there are 3 columns, expected 2, as in the header; a text with tabs needs a column "
        "`escaped_text`, or a .csv");
  CHECK(
      error_with("a.csv", "good,x\nbad,y,z\n") ==
      "a.csv:2: error: there are 3 columns, expected 2, label and text (or a header line that names them); a text with "
      "commas needs quotes");
  CHECK(error_with("a.tsv", "good\tx\n\nbad\ty\n") == "a.tsv:2: error: the line is empty");
  CHECK(error_with("a.csv", "good,x\n\nbad,y\n") == "a.csv:2: error: the line is empty");
  CHECK(error_with("a.tsv", "good\tx\nbad\t \n") == "a.tsv:2: error: the text is empty");
  CHECK(error_with("a.tsv", "good\tx\n\ty\n") == "a.tsv:2: error: the label is empty");
  CHECK(error_with("a.csv", "good,x\n bad,y\n") == "a.csv:2: error: the label ' bad' begins or ends with white space");
  CHECK(error_with("a.csv", "good,x\n\"b\nd\",y\n") == "a.csv:2: error: the label has a tab or a line end in it");
  CHECK(error_with("a.csv", "good,x\nbad,\xE9t\xE9\n") ==
        "a.csv:2: error: the text is not UTF-8: byte 1 of it is 0xe9; if the file is Latin-1, convert it with iconv -f "
        "latin1 -t utf8");
  CHECK(error_with("a.csv", "good,x\nbad,\"y\nz\n") == "a.csv:2: error: a quote is opened here and never closed");
  CHECK(error_with("a.csv", "good,x \"y\"\n") ==
        "a.csv:1: error: a quote inside a cell without quotes: write \"...\" around the cell and \"\" for a quote");
  CHECK(error_with("a.csv", "good,\"x\n\" y\n") ==
        "a.csv:2: error: text behind a closing quote: inside quotes, a quote is written \"\"");
  CHECK(error_with("a.tsv", "") == "a.tsv: error: the file is empty");
  CHECK(error_with("a.tsv", "good\tx\ngood\ty\n") ==
        "a.tsv: error: all documents are of class 'good': at least two classes are needed");
  CHECK(error_with("a.tsv", "label\ttext\n") == "a.tsv: error: there is no document: at least two classes are needed");
}

TEST_CASE("what is wrong with columns is said with their line") {
  CHECK(error_with("a.csv", "label,text,text\n") == "a.csv:1: error: the header names 'text' twice");
  CHECK(error_with("a.csv", "label,text,escaped_text\n") ==
        "a.csv:1: error: the header names both `text` and `escaped_text`");
  CHECK(error_with("a.csv", "label,part,text\ngood,train,x\nbad,dev,y\n") ==
        "a.csv:3: error: part 'dev' is none of train, test and nothing");
  CHECK(error_with("a.csv", "label,part,text\ngood,train,x\nbad,,y\n") ==
        "a.csv:3: error: this document lacks a part, unlike the first: give one (train or test) to all or to none");
  CHECK(error_with("a.tsv", "label\tescaped_text\ngood\tC:\\new\nbad\tC:\\old\n") ==
        "a.tsv:3: error: '\\o' in an escaped text: only \\t, \\n, \\r and \\\\ are known");
  CHECK(error_with("a.csv", "sentiment,review\ngood,x\nbad,y\ngood,z\nbad,w\n") ==
        "a.csv:1: error: this line has the only document of class 'sentiment': if it is a header, call the columns "
        "`label` and `text`; if it is a document, put such a header above it");
}

TEST_CASE("a folder has a subfolder a class and a file a document") {
  const TextFolder folder;
  folder.write("c/good/2.txt", "Fine\n");
  folder.write("c/good/1.txt", "Ripe");
  folder.write("c/bad/1.txt", "Sour");
  folder.write("c/.DS_Store", "is no document");
  folder.write("c/bad/.DS_Store", "nor is this");
  const Corpus corpus = load_corpus(folder.path("c"));
  CHECK(told(corpus) == "bad: Sour | good: Ripe | good: Fine\n");
  CHECK(corpus.documents[2].source == folder.path("c/good/2.txt"));

  const std::string before = corpus.provenance.sha256;
  folder.write("c/good/1.txt", "Ripf");
  CHECK(load_corpus(folder.path("c")).provenance.sha256 != before);
}

TEST_CASE("a folder of train and test has parts") {
  const TextFolder folder;
  for (const char* name : {"c/train/good/1.txt", "c/train/bad/1.txt", "c/test/bad/1.txt"}) folder.write(name, name);
  const Corpus corpus = load_corpus(folder.path("c"));
  CHECK(told(corpus) == "bad: c/train/bad/1.txt | good: c/train/good/1.txt | bad: c/test/bad/1.txt");
  CHECK(corpus.documents[1].part == Part::train);
  CHECK(corpus.documents[2].part == Part::test);
}

TEST_CASE("beside train and test there is nothing") {
  const TextFolder folder;
  for (const char* name : {"c/train/good/1.txt", "c/train/bad/1.txt", "c/test/bad/1.txt", "c/README"})
    folder.write(name, name);
  CHECK(error_of(folder, [&folder] { load_corpus(folder.path("c")); }) ==
        "c/README: error: is neither in train nor in test: put it elsewhere");
}

TEST_CASE("UTF-16 and bytes that are 0 are refused with what to do") {
  const std::string convert = "a.tsv:1: error: looks like UTF-16: convert it with iconv -f utf-16 -t utf8";
  const auto utf16 = [](const std::string& text, bool big) {
    std::string bytes;
    for (const char c : text) bytes += big ? std::string(1, '\0') + c : c + std::string(1, '\0');
    return bytes;
  };
  for (const bool big : {false, true}) {
    const std::string text = utf16("good\tFine\nbad\tSour\n", big);
    CHECK(error_with("a.tsv", (big ? "\xFE\xFF" : "\xFF\xFE") + text) == convert);
    CHECK(error_with("a.tsv", text) == convert);
  }
  CHECK(error_with("a.tsv", std::string("good\tFine\nbad\tSo\0r\n", 19)) ==
        "a.tsv:2: error: byte 7 of this line is 0, which no text has");
  const TextFolder folder;
  folder.write("c/good/1.txt", "Ripe");
  folder.write("c/bad/1.txt", "\xFF\xFE" + utf16("Sour", false));
  CHECK(error_of(folder, [&folder] { load_corpus(folder.path("c")); }) ==
        "c/bad/1.txt:1: error: looks like UTF-16: convert it with iconv -f utf-16 -t utf8");
}

TEST_CASE("where a user's own corpus is does not depend on where one stands") {
  CHECK(own_path("small_fine_foods") == "");
  CHECK(own_path("a/../b.tsv") == (std::filesystem::current_path() / "b.tsv").string());
}

TEST_CASE("what is wrong with a folder is said with the file") {
  const TextFolder folder;
  const auto error = [&folder] { return error_of(folder, [&folder] { load_corpus(folder.path("c")); }); };
  folder.write("c/good/1.txt", "Ripe");
  CHECK(error() == "c: error: all documents are of class 'good': at least two classes are needed");
  folder.write("c/bad/1.txt", "\n");
  CHECK(error() == "c/bad/1.txt: error: the text is empty");
  folder.write("c/bad/1.text", "Sour");
  CHECK(error() == "c/bad/1.text: error: is not a .txt file, and the folder of a class has nothing else");
  folder.write("c/0.txt", "Sour");
  const std::string in_no_class =
      ": error: is in no class: put it into the subfolder that has its class's name, or elsewhere if it is no document";
  CHECK(error() == "c/0.txt" + in_no_class);
  std::filesystem::remove(folder.path("c/0.txt"));
  std::filesystem::remove(folder.path("c/bad/1.text"));
  const std::string hidden = ": error: is hidden: remove it, or give it another name if it is a document";
  for (const char* name : {"c/bad/.1.txt", "c/.git"}) {
    folder.write(name, "Sour");
    CHECK(error() == name + hidden);
    std::filesystem::remove(folder.path(name));
  }
  folder.write("c/README", "Sour");
  CHECK(error() == "c/README" + in_no_class);
  std::filesystem::remove_all(folder.path("c"));
  std::filesystem::create_directories(folder.path("c/good"));
  CHECK(error() == "c/good: error: there is no document of this class");
  std::filesystem::remove_all(folder.path("c/good"));
  CHECK(error() ==
        "c: error: there is no subfolder in it: make one for each class, with a .txt file for each document");
}

TEST_CASE("names that are none, and corpora that are not there") {
  const TextFolder folder;
  const auto error = [&folder](const std::string& name) { return error_of(folder, [&name] { load_corpus(name); }); };
  const std::string expected =
      ": expected one of small_fine_foods, debian_sections, debian_topics4, or the path of a .tsv, a .csv or a folder "
      "of texts";
  CHECK(error("small_fine_food") ==
        "there is no corpus 'small_fine_food' (did you mean 'small_fine_foods'?)" + expected);
  CHECK(error("imdb") == "there is no corpus 'imdb'" + expected);
  CHECK(error("small_fine_foods") ==
        "small_fine_foods is not in cache; fetch it first: saltus data fetch small_fine_foods");
  CHECK(error(folder.path("none.tsv")).starts_with("none.tsv: error: cannot be read: "));
  CHECK(error(folder.write("a.txt", "x")) == "a.txt: error: expected a .tsv, a .csv or a folder of texts");
}

TEST_CASE("escaping comes back as it was") {
  const std::string text = "a\tb\nc\\d\r\\n";
  CHECK(escaped(text) == "a\\tb\\nc\\\\d\\r\\\\n");
  CHECK(unescaped(escaped(text), "") == text);
}

TEST_CASE("UTF-8 has one form for each character") {
  CHECK(first_invalid_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8D\xB7") == std::string::npos);
  CHECK(first_invalid_utf8("ab\xC3") == 2);            // ends early
  CHECK(first_invalid_utf8("a\xC3z") == 1);            // does not go on
  CHECK(first_invalid_utf8("\xC0\xAF") == 0);          // overlong
  CHECK(first_invalid_utf8("\xE0\x9F\xBF") == 0);      // overlong
  CHECK(first_invalid_utf8("\xED\xA0\x80") == 0);      // a surrogate
  CHECK(first_invalid_utf8("\xF4\x90\x80\x80") == 0);  // beyond U+10FFFF
  CHECK(first_invalid_utf8("\x80") == 0);
}

}  // namespace saltus
