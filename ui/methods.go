package ui

// MethodKey is a text about one method of second steps: section ends in a dot, and
// method is its id, such as "totp".
func MethodKey(section, method string) Key { return Key(section + method) }
