package blocklist

import (
	"crypto/sha256"
	_ "embed" // the filter
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// filter holds the first 40 bits of the SHA-256 of every folded password: the first eight
// choose a bucket, the other 32 stand in it, sorted. It begins with how many entries stand
// in all buckets up to each, 256 numbers of 32 bits, and all numbers are big-endian.
//
// In it are the 100,000 commonest of 8 characters and more, whatever else the source has
// of 15 and more (OWASP ASVS 5.0 section 6.2.4 asks for 3,000 that match the rules in
// force), and the 5,000 commonest of 5 to 7, which people repeat to make them longer.
// About 107,000 in all: a password that is none of them is taken for one with a
// probability of 107,000 / 2^40, which is 1 in 10 million.
//
// As a string it stays in the program's read-only pages, of which a look-up touches a few:
// it takes no heap. It does not tell what the passwords are but by guessing.
//
//go:embed commonest.bin
var filter string

const (
	buckets = 256
	header  = buckets * 4 // bytes
)

// Contains tells whether a password in the form of Fold is among the commonest.
func Contains(folded string) bool {
	return search(filter, Key(folded))
}

// search looks for a key by halving its bucket.
func search(filter string, key uint64) bool {
	bucket, rest := int(key>>32), uint32(key) // #nosec G115 -- 40 bits, cut on purpose
	low, high := 0, number(filter, bucket)
	if bucket > 0 {
		low = number(filter, bucket-1)
	}
	for low < high {
		middle := (low + high) / 2
		switch entry := uint32(number(filter[header:], middle)); { // #nosec G115 -- it was 32 bits
		case entry == rest:
			return true
		case entry < rest:
			low = middle + 1
		default:
			high = middle
		}
	}
	return false
}

// number is the i-th number of a text of them.
func number(text string, i int) int {
	b := text[4*i : 4*i+4]
	return int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
}

// Key is what of a folded password is kept: 40 bits.
func Key(folded string) uint64 {
	sum := sha256.Sum256([]byte(folded))
	return binary.BigEndian.Uint64(sum[:8]) >> 24
}

// Fold is the form in which passwords and words are compared with each other: what
// looks alike apart from case is the same.
func Fold(text string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(text)))
}

// Build makes a filter of folded passwords.
func Build(folded []string) []byte {
	keys := make([]uint64, len(folded))
	for i, text := range folded {
		keys[i] = Key(text)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var out strings.Builder
	put := func(n uint32) { out.Write(binary.BigEndian.AppendUint32(nil, n)) }
	for bucket, at := 0, 0; bucket < buckets; bucket++ {
		for at < len(keys) && keys[at]>>32 == uint64(bucket) { // #nosec G115 -- 0 to 255
			at++
		}
		put(uint32(at)) // #nosec G115 -- far fewer
	}
	for _, key := range keys {
		put(uint32(key)) // #nosec G115 -- the lower 32 bits
	}
	return []byte(out.String())
}
