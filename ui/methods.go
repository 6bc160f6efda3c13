package ui

import "strings"

// MethodKey is a text about one method of second steps: section ends in a dot, and
// method is its id, such as "totp". Where the catalogues have no such text, the one about
// any method stands under section without its dot.
func MethodKey(section, method string) Key { return Key(section + method) }

// general is the key of the text about any method.
func (k Key) general() Key {
	return k[:max(strings.LastIndexByte(string(k), '.'), 0)]
}
