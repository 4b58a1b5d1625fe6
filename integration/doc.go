// Package integration holds the tests that need real servers and real processes, above all the fault tests: the command
// is built with failpoints, runs with a broker and a MariaDB in processes of their own, and is killed, frozen,
// disconnected and rewound. At the end MySQL is compared with an independent count of the records in Kafka.
//
// Tests whose names begin with TestReal_ use Apache Kafka and real Flume agents, if this machine can run them (package
// jvmtest); the others use an embedded broker in a process of its own.
//
// The tests need the build tag integration; scripts/test runs them. Each prints its seed, and SLUICE_SEED sets it.
package integration
