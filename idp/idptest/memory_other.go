//go:build !linux

package idptest

func memory() string { return "" }
