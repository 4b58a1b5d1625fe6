package value

// Truth is a truth value of SQL, which has three.
type Truth uint8

// The truth values. Unknown is that of NULL.
const (
	No Truth = iota
	Yes
	Unknown
)

// TruthOf returns Yes for true and No for false.
func TruthOf(b bool) Truth {
	if b {
		return Yes
	}
	return No
}
