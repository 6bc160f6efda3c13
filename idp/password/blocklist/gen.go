//go:build ignore

// Command gen makes the filter of the commonest passwords from the npm package that
// doc.go names.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/idp/password/blocklist"
)

const (
	digest = "d48876c2c1664739be7b7dffc7c9d239e7f7ee7e413a3dcc3969b1ae6143a297"
	list   = "package/data/passwords.txt.gz"

	long, common    = 15, 8
	shortest        = 5
	commonest, less = 100_000, 5_000
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run gen.go PACKAGE.tgz")
	}
	packed, err := os.ReadFile(os.Args[1])
	check(err)
	if sum := sha256.Sum256(packed); hex.EncodeToString(sum[:]) != digest {
		log.Fatalf("%s is not the package that this was written for", os.Args[1])
	}
	chosen := choose(lines(find(packed)))
	check(os.WriteFile("commonest.bin", blocklist.Build(chosen), 0o644))
	log.Printf("%d passwords", len(chosen))
}

// find unpacks the list.
func find(packed []byte) io.Reader {
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	check(err)
	for files := tar.NewReader(unzipped); ; {
		file, err := files.Next()
		check(err)
		if file.Name == list {
			text, err := gzip.NewReader(files)
			check(err)
			return text
		}
	}
}

// lines are the passwords of the source, the commonest first, folded, each once. Left
// out is what is not UTF-8 or has white space in it, which is no password but a
// mistake of the source.
func lines(from io.Reader) []string {
	var all []string
	seen := map[string]bool{}
	scanner := bufio.NewScanner(from)
	for scanner.Scan() {
		folded := blocklist.Fold(scanner.Text())
		if !utf8.ValidString(folded) || strings.ContainsFunc(folded, unicode.IsSpace) || seen[folded] {
			continue
		}
		seen[folded] = true
		all = append(all, folded)
	}
	check(scanner.Err())
	return all
}

// choose takes what blocklist.go says is in the filter.
func choose(all []string) []string {
	var chosen []string
	normal, short := 0, 0
	for _, text := range all {
		switch n := utf8.RuneCountInString(text); {
		case n >= common && normal < commonest:
			normal++
		case n >= long:
		case n >= shortest && n < common && short < less:
			short++
		default:
			continue
		}
		chosen = append(chosen, text)
	}
	if normal < commonest || short < less {
		check(errors.New("the source is too short"))
	}
	return chosen
}

func check(err error) {
	if err != nil {
		log.Fatal("gen: ", err)
	}
}
