package funcs

import (
	"crypto/md5" //nolint:gosec // the function of that name; it protects nothing
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash/crc32"

	"github.com/sluice-etl/sluice/fold"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/query/expr"
)

var hashes = []expr.Function{
	{
		Name: "md5", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: md5Of, Type: chars(2 * md5.Size),
		Example: "path", Doc: "the MD5 hash, in hexadecimal digits",
	},
	{
		Name: "sha1", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: sha1Of, Type: chars(2 * sha1.Size),
		Example: "path", Doc: "the SHA-1 hash, in hexadecimal digits",
	},
	{
		Name: "sha", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Text, Eval1: sha1Of, Type: chars(2 * sha1.Size),
		Example: "path", Doc: "the same as `SHA1`",
	},
	{
		Name: "sha2", Params: []expr.Param{expr.Text.Param("text"), expr.Integer.Param("bits").Const()}, Result: expr.Text, Compile: sha2,
		Example: "path, 256", Doc: "the SHA-2 hash of 224, 256, 384 or 512 bits, in hexadecimal digits",
	},
	{
		Name: "crc32", Params: []expr.Param{expr.Text.Param("text")}, Result: expr.Integer, Eval1: crc32Of,
		Example: "path", Doc: "the checksum that zip and gzip use",
	},
}

// chars returns a function that sets the type of a text of n characters.
func chars(n int) func(*value.Type, []expr.Compiled) {
	return func(t *value.Type, _ []expr.Compiled) { t.MaxChars = n }
}

// inHex returns bytes as hexadecimal digits.
func inHex(r *fold.Env, b []byte) value.Value {
	from := len(r.Text)
	r.Text = hex.AppendEncode(r.Text, b)
	return made(r, from)
}

func md5Of(r *fold.Env, v value.Value) value.Value {
	sum := md5.Sum(v.Bytes)
	return inHex(r, sum[:])
}

func sha1Of(r *fold.Env, v value.Value) value.Value {
	sum := sha1.Sum(v.Bytes)
	return inHex(r, sum[:])
}

func sha224Of(r *fold.Env, v value.Value) value.Value {
	sum := sha256.Sum224(v.Bytes)
	return inHex(r, sum[:])
}

func sha256Of(r *fold.Env, v value.Value) value.Value {
	sum := sha256.Sum256(v.Bytes)
	return inHex(r, sum[:])
}

func sha384Of(r *fold.Env, v value.Value) value.Value {
	sum := sha512.Sum384(v.Bytes)
	return inHex(r, sum[:])
}

func sha512Of(r *fold.Env, v value.Value) value.Value {
	sum := sha512.Sum512(v.Bytes)
	return inHex(r, sum[:])
}

// sha2 compiles SHA2. The number of bits is a constant. In MySQL, 0 means 256.
func sha2(c *expr.Compiler, x expr.Compiled, args []expr.Compiled) expr.Compiled {
	bits := clamp(args[1].Eval(nil))
	if bits == 0 {
		bits = 256
	}
	of := map[int]func(*fold.Env, value.Value) value.Value{224: sha224Of, 256: sha256Of, 384: sha384Of, 512: sha512Of}[bits]
	if of == nil {
		return c.Fail(x.Source, "expected a hash of 224, 256, 384 or 512 bits")
	}
	x.MaxChars = bits / 4
	return notNull(x, args[0], of)
}

func crc32Of(_ *fold.Env, v value.Value) value.Value {
	return value.Int(int64(crc32.ChecksumIEEE(v.Bytes)))
}
