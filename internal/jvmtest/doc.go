// Package jvmtest runs a real Apache Kafka and real Apache Flume agents for tests, as local JVM processes on random
// ports of 127.0.0.1, each in a temporary directory.
//
// [StartBroker] starts Kafka in KRaft mode, broker and controller in one process, [StartSecuredBroker] one with users
// and an authorizer, and [StartAgent] a Flume agent with the given properties. All can be killed and restarted on the
// same ports and data. A process never outlives the one that started it, not even after SIGKILL: a small shell holds
// the other end of a pipe, and kills the JVM when that pipe closes.
//
// An agent of [FlumeSpark] has the newest version of Spark's sink, 2.4.8 for Scala 2.12 (for Scala 2.11 the newest is
// 2.4.7). The sink needs Avro 1.8.2 instead of Flume 1.9's 1.7.4: with it, the sink and the rest of Flume 1.9 run on
// Java 17 without further options; with 1.7.4 the sink starts and listens, but replies to each getEventBatch with a
// system error, IllegalAccessError. It also needs commons-lang3, which its project does not declare.
//
// The installed Maven downloads the jars from Maven Central, with its own settings, once for each version:
// testdata/NAME-VERSION.xml is the project whose dependencies they are. They are cached in
// ${XDG_CACHE_HOME:-$HOME/.cache}/sluice/jars/NAME-VERSION, and each is compared with the checksum in
// testdata/NAME-VERSION.sha256 at every use. No jar is part of this repository. After a change of a version, create the
// list again with `sha256sum *.jar` in the directory that the error names, and review the difference before committing
// it.
//
// If Java, Maven or Maven Central is not available, a test is skipped with a line that begins with "CANNOT RUN:", which
// scripts/test lists; with ETL_TEST_REQUIRE_JVM=1 it fails instead. A jar whose checksum differs always fails the test.
package jvmtest
