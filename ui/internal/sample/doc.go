// Package sample holds pages with made-up content, for the preview and for tests
// of the templates. It renders nothing.
package sample
