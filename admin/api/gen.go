//go:build ignore

// Command gen makes what is generated of the API's document: the server's code, the
// document as JSON, and a copy of it to embed.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"
	"os/exec"

	"gopkg.in/yaml.v3"
)

const source = "../openapi.yaml"

func main() {
	log.SetFlags(0)
	text, err := os.ReadFile(source)
	check(err)
	var document any
	check(yaml.Unmarshal(text, &document))
	asJSON, err := json.Marshal(document)
	check(err)
	check(os.WriteFile("openapi.yaml", text, 0o644))
	check(os.WriteFile("openapi.json", append(asJSON, '\n'), 0o644))

	generate := exec.Command("go", "tool", "-modfile=../../.ci/tools/go.mod", "oapi-codegen", "-config", "oapi-codegen.yaml", source)
	generate.Stdout, generate.Stderr = os.Stdout, os.Stderr
	check(generate.Run())
	code, err := os.ReadFile("server.gen.go")
	check(err)
	// Its texts begin with capitals, and staticcheck reads them though nobody else does.
	code = bytes.Replace(code, []byte("DO NOT EDIT.\n"), []byte("DO NOT EDIT.\n\n//lint:file-ignore ST1005 The texts are oapi-codegen's.\n\n"), 1)
	check(os.WriteFile("server.gen.go", code, 0o644))

	// What a test compares, without running the generator.
	var sums []byte
	for _, name := range []string{source, "oapi-codegen.yaml", "openapi.json", "openapi.yaml", "server.gen.go"} {
		content, err := os.ReadFile(name)
		check(err)
		sum := sha256.Sum256(content)
		sums = append(sums, hex.EncodeToString(sum[:])+"  "+name+"\n"...)
	}
	check(os.WriteFile("generated.sum", sums, 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal("gen: ", err)
	}
}
