// Package interop signs in with relying parties that are built on other people's
// libraries, unmodified, each on an app as the console makes it. It has tests alone:
// make interop runs them. What each library was seen to do stands in docs/connect/.
package interop
