// Package failpoint names the points at which the fault tests kill the process. In a build without the tag failpoint
// Hit is an empty function.
//
// The variable SLUICE_FAILPOINT holds NAME:ACTION or NAME:ACTION:N; at the N-th Hit of NAME (the first, where N is
// absent) the action is carried out: kill (SIGKILL to ourselves) or stop (SIGSTOP).
package failpoint

// The named points, in the order in which a record passes them.
const (
	Produced      = "F2" // events were given to Kafka's client, nothing is acknowledged
	Acknowledged  = "F3" // Kafka acknowledged, Flume has no answer
	Polled        = "C1" // records were fetched, not folded
	Folded        = "C2" // records were folded
	Fenced        = "C3" // the fence's UPDATE was answered
	Upserting     = "C4" // between two statements that write rows
	BeforeCommit  = "C5" // everything is written, COMMIT is not
	CommitWritten = "C6" // COMMIT is in the socket, its answer was not read
	CommitDone    = "C7" // COMMIT was answered, memory does not know yet
	BeforeMirror  = "C8" // memory knows, the group's offsets do not
	ClaimOpen     = "T1" // the claim's transaction has changed rows and is open
	ClaimDone     = "T2" // the claim was committed, nothing was fetched
	Revoking      = "R1" // inside the revocation of partitions
	Held          = "S1" // etl replay --swap holds the other job
	Renaming      = "S2" // RENAME TABLE is not sent
	Renamed       = "S3" // RENAME TABLE was answered, the other job is held
	Swapped       = "S4" // the other job was released
	RetainBegins  = "E1" // the first low-water mark is inserted and the job is fenced, COMMIT is not sent
	RetainBegun   = "E2" // that was committed
	LowWaterOpen  = "E3" // a low-water mark was moved, COMMIT is not sent
	LowWaterMoved = "E4" // that was committed, nothing is deleted
	Deleting      = "E5" // a chunk of windows below the mark was deleted, COMMIT is not sent
	Deleted       = "E6" // that was committed
)
