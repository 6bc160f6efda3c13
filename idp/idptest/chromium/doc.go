// Package chromium starts the real browser of tests that need one. What they do with it
// is theirs.
package chromium
