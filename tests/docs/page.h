#ifndef FAVOR_TESTS_DOCS_PAGE_H_
#define FAVOR_TESTS_DOCS_PAGE_H_

#include <string>
#include <vector>

namespace favor::testing {

// The rows of the tables of docs/<name>, each as its trimmed cells; header and ruler rows left out.
std::vector<std::vector<std::string>> TableRows(const std::string& name);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_DOCS_PAGE_H_
