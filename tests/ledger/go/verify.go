// Verifies a ledger with Go's own implementation of notes and tiled logs: the signature of the checkpoint, every
// entry against the tree through its tiles, a proof, and the hash that a receipt names.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type reader struct{ dir string }

func (r reader) Height() int { return 8 }

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		// tile/8/<level>/... there, tile/<level>/... here.
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		bytes, err := os.ReadFile(filepath.Join(r.dir, path))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Opens a signed checkpoint with the ledger's key.
func checkpoint(dir string, signed []byte) tlog.Tree {
	key, err := os.ReadFile(filepath.Join(dir, "key.pub"))
	must(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	must(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		log.Fatalf("origin %q", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree
}

// Checks a .tlog-proof whose extra line carries the entry.
func prove(dir, path string) {
	text, err := os.ReadFile(path)
	must(err)
	head, signed, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || lines[0] != "c2sp.org/tlog-proof@v1" {
		log.Fatal("not a proof")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	must(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	must(err)
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		must(err)
		proof = append(proof, *(*tlog.Hash)(hash))
	}
	tree := checkpoint(dir, signed)
	must(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
}

func main() {
	dir, proof := os.Args[1], os.Args[2]
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	must(err)
	tree := checkpoint(dir, signed)
	hashes := tlog.TileHashReader(tree, reader{dir})
	root, err := tlog.TreeHash(tree.N, hashes)
	must(err)
	if root != tree.Hash {
		log.Fatal("another root")
	}
	for first := int64(0); first < tree.N; first += 256 {
		width := 256
		if tree.N-first < 256 {
			width = int(tree.N - first)
		}
		tile := tlog.Tile{H: 8, L: -1, N: first / 256, W: width}
		path := "tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/data/")
		bundle, err := os.ReadFile(filepath.Join(dir, path))
		must(err)
		var indexes []int64
		for i := 0; i < width; i++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
		}
		found, err := hashes.ReadHashes(indexes)
		must(err)
		for i := 0; i < width; i++ {
			length := int(binary.BigEndian.Uint16(bundle))
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			if tlog.RecordHash(entry) != found[i] {
				log.Fatalf("entry %d has another hash", first+int64(i))
			}
		}
		if len(bundle) != 0 {
			log.Fatal("bytes behind the last entry")
		}
	}
	prove(dir, proof)
	index, err := strconv.ParseInt(os.Args[3], 10, 64)
	must(err)
	found, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	must(err)
	if hex.EncodeToString(found[0][:]) != os.Args[4] {
		log.Fatal("the receipt names another hash")
	}
	fmt.Printf("verified %d entries\n", tree.N)
}
