package keyring

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
)

// maxFile is the largest key file read, in bytes: room for hundreds of keys.
const maxFile = 64 << 10

// LoadFile reads a keyring from a file: keys as Parse reads them, separated by
// commas or line breaks. A file that does not exist is made with one new random
// key and mode 0600; processes that start at the same time agree on one key. A
// file that its group or others may read is refused, with the command that
// closes it.
func LoadFile(path string) (*Keyring, error) {
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createFile(path); err != nil {
			return nil, fmt.Errorf("keyring: making a key file: %w", err)
		}
		text, err = readFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: reading the key file: %w", err)
	}
	k, err := Parse(strings.Join(strings.FieldsFunc(text, betweenKeys), ","))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

func betweenKeys(r rune) bool { return r == ',' || unicode.IsSpace(r) }

// readFile checks the mode of the file that it opened and not of the name: the
// name could point elsewhere a moment later.
func readFile(path string) (string, error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if open := info.Mode().Perm() & 0o077; open != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("%s may be read or written by others (mode %04o): run chmod 600 %s",
			path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(text) > maxFile {
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return string(text), err
}

// createFile makes a key file that appears whole or not at all. The link fails
// where the name is taken, so of several processes the first one's key stays
// and the others read that; a rename would replace a key already in use.
func createFile(path string) error {
	folder := filepath.Dir(path)
	temp, err := writeTemp(folder)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w (where files cannot be linked, write 32 random bytes in base64 to %s yourself, mode 0600)", err, path)
	}
	return syncFolder(folder)
}

// writeTemp writes a new key to a temporary file of mode 0600 and waits for the
// disk: a key that a power cut takes away takes all that it sealed along.
func writeTemp(folder string) (name string, err error) {
	f, err := os.CreateTemp(folder, ".master-key-*") // O_EXCL, mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	var key [KeySize]byte
	rand.Read(key[:]) // never fails: crypto/rand ends the program instead
	if _, err := fmt.Fprintln(f, base64.StdEncoding.EncodeToString(key[:])); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

// syncFolder makes the new name itself durable.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" { // folders cannot be opened for that there
		return nil
	}
	d, err := os.Open(folder) // #nosec G304 -- the operator names the folder
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
