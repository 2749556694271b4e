package sqlfsm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"path/filepath"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/internal/vfs"
)

// ImageInfo describes an image.
type ImageInfo struct {
	Index, Term uint64 // of the last entry that it contains
	Bytes       int64
	SHA256      [sha256.Size]byte
}

const (
	// imageChunkBytes is written at a time.
	imageChunkBytes = 1 << 20
	// imageSyncBytes is how much of an image may wait for the disk. All of it at
	// the end would be in the way of the log's syncs for as long as it takes.
	imageSyncBytes = 8 << 20
)

// Image copies the database into a new file at path, as of one index: a
// database that is whole in one file, which Install and the sqlite3 shell take.
// It is durable, and there is none when Image fails.
//
// The pages come out of one read transaction (https://sqlite.org/dbpage.html), so
// that entries are applied meanwhile; only the WAL cannot start from its
// beginning until the image is done. SQLite's backup API in steps begins anew
// with each write, VACUUM INTO takes longer and may renumber rows.
func (f *FSM) Image(ctx context.Context, path string) (ImageInfo, error) {
	c, err := f.imageConnection()
	if err != nil {
		return ImageInfo{}, err
	}
	defer f.readers.open.Done()
	defer c.close()
	w, err := newImageWriter(f.options.FS, path)
	if err != nil {
		return ImageInfo{}, fmt.Errorf("sqlfsm: image: %w", err)
	}
	info, err := f.copyPages(ctx, c, w)
	if closeErr := w.file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = w.fs.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		w.fs.Remove(path) // the error that we have is the one that counts
		return ImageInfo{}, fmt.Errorf("sqlfsm: image %s: %w", path, err)
	}
	return info, nil
}

// imageConnection opens a connection in a transaction, which sees the database
// at one index. The caller owes readers.open a Done.
func (f *FSM) imageConnection() (*connection, error) {
	f.files.RLock()
	defer f.files.RUnlock()
	if err := f.failed(); err != nil {
		return nil, err
	}
	c, err := openConnection(f.path, sqlite.Existing, 1<<20, 1)
	if err != nil {
		return nil, err
	}
	if err := c.script("BEGIN; SELECT * FROM main._quorate_meta"); err != nil {
		c.close()
		return nil, fmt.Errorf("sqlfsm: image: %w", err)
	}
	f.readers.open.Add(1)
	return c, nil
}

// copyPages writes all pages that c sees.
func (f *FSM) copyPages(ctx context.Context, c *connection, w *imageWriter) (info ImageInfo, err error) {
	var pages, size int64
	err = c.query(`SELECT m.applied_index, m.applied_term, c.page_count, s.page_size FROM main._quorate_meta m, pragma_page_count c, pragma_page_size s`,
		func(row []value.Value) {
			info.Index, info.Term = uint64(row[0].Int()), uint64(row[1].Int())
			pages, size = row[2].Int(), row[3].Int()
		})
	if err != nil {
		return info, err
	}
	info.Bytes = pages * size
	// A disk that is too small says so before anything is copied.
	if err := w.file.Preallocate(info.Bytes); err != nil {
		return info, err
	}
	s, _, err := c.db.Prepare("SELECT data FROM main.sqlite_dbpage", false)
	if err != nil {
		return info, err
	}
	defer s.Finalize()
	for {
		more, err := s.Step()
		if err != nil {
			return info, err
		}
		if !more {
			break
		}
		if err := w.add(s.Row()[0].Bytes()); err != nil {
			return info, err
		}
		if len(w.chunk) == 0 {
			if err := errors.Join(ctx.Err(), f.failed()); err != nil {
				return info, err
			}
		}
	}
	if err := w.finish(); err != nil {
		return info, err
	}
	if w.at != info.Bytes {
		return info, fmt.Errorf("%d of %d bytes were read", w.at, info.Bytes)
	}
	w.hash.Sum(info.SHA256[:0])
	return info, nil
}

// imageWriter writes the pages of an image and hashes them on the way.
type imageWriter struct {
	fs     vfs.FS
	file   vfs.File
	hash   hash.Hash
	chunk  []byte
	at     int64 // written
	synced int64
}

func newImageWriter(fs vfs.FS, path string) (*imageWriter, error) {
	file, err := fs.Create(path)
	if err != nil {
		return nil, err
	}
	return &imageWriter{fs: fs, file: file, hash: sha256.New(), chunk: make([]byte, 0, imageChunkBytes)}, nil
}

// add takes the next page. Of the first one, it changes what says that there
// is a WAL beside the file.
func (w *imageWriter) add(page []byte) error {
	w.chunk = append(w.chunk, page...)
	if w.at == 0 && len(w.chunk) == len(page) {
		if len(page) < fileHeaderBytes {
			return fmt.Errorf("the first page has %d bytes", len(page))
		}
		w.chunk[headerWriteVersion], w.chunk[headerReadVersion] = withoutWAL, withoutWAL
	}
	if len(w.chunk) < imageChunkBytes {
		return nil
	}
	return w.flush()
}

func (w *imageWriter) flush() error {
	w.hash.Write(w.chunk)
	if _, err := w.file.WriteAt(w.chunk, w.at); err != nil {
		return err
	}
	w.at += int64(len(w.chunk))
	w.chunk = w.chunk[:0]
	if w.at-w.synced < imageSyncBytes {
		return nil
	}
	w.synced = w.at
	return w.file.Sync()
}

func (w *imageWriter) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Sync()
}
