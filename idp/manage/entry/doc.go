// Package entry reads what people and programs enter: addresses, names, URLs, and where a
// list goes on. It knows nothing about who enters it.
package entry
