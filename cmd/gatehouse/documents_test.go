package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInIDs = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// documents are all pages of documentation, from the project's folder on.
func documents(t *testing.T) (root string, files []string) {
	t.Helper()
	root = filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "*.md"))
	idptest.Must(t, err)
	idptest.Must(t, filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	}))
	return root, files
}

// anchors are the names by which forges link to the headings of a page.
func anchors(text string) map[string]bool {
	ids := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		ids[strings.ReplaceAll(strings.ToLower(notInIDs.ReplaceAllString(h[1], "")), " ", "-")] = true
	}
	return ids
}

func TestDocumentsLinkToWhatExists(t *testing.T) {
	_, files := documents(t)
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		idptest.Must(t, err)
		for _, l := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			n++
			path, anchor, _ := strings.Cut(l[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			found, err := os.ReadFile(target)
			if info, e := os.Stat(target); e == nil && info.IsDir() {
				err = nil
			}
			if err != nil || anchor != "" && !anchors(string(found))[anchor] {
				t.Errorf("%s links to %s, which is not there", file, l[1])
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d links are found", n)
	}
}

// The map of the house names every room.
func TestDesignNamesEachPackage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "design.md"))
	idptest.Must(t, err)
	for name := range allowed {
		room := strings.Join(strings.Split(name, "/")[:min(2, strings.Count(name, "/")+1)], "/")
		if !strings.Contains(string(text), "`"+room+"`") {
			t.Errorf("docs/design.md does not name %s", room)
		}
	}
}
