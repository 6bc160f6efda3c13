package fetch

// CheckAddress is what a connection is checked with, just before it is made.
var CheckAddress = checkAddress
