BEGIN TRANSACTION;
CREATE TABLE counters (name TEXT NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (name, labels)) WITHOUT ROWID;
INSERT INTO "counters" VALUES('batches','[]',5.0);
INSERT INTO "counters" VALUES('bytes_read','[]',361.0);
INSERT INTO "counters" VALUES('commits','[]',2.0);
INSERT INTO "counters" VALUES('dead_letters','[["error","no_match"],["stage","parse.json"]]',2.0);
INSERT INTO "counters" VALUES('dead_letters','[["error","too_long"],["stage","source"]]',1.0);
INSERT INTO "counters" VALUES('events_filtered','[["reason","empty line"],["stage","source"]]',1.0);
INSERT INTO "counters" VALUES('events_written','[["sink","all"]]',6.0);
INSERT INTO "counters" VALUES('events_written','[["sink","write.file:out/{source}.ndjson"]]',6.0);
INSERT INTO "counters" VALUES('files_found','[]',4.0);
INSERT INTO "counters" VALUES('files_truncated','[]',1.0);
INSERT INTO "counters" VALUES('lines_read','[]',10.0);
INSERT INTO "counters" VALUES('stage_seconds','[["stage","enrich.origin"]]',7.07560000137164e-05);
INSERT INTO "counters" VALUES('stage_seconds','[["stage","parse.json"]]',1.85516999863466480746e-04);
INSERT INTO "counters" VALUES('stage_seconds','[["stage","write.file"]]',1.17645000045740744099e-04);
INSERT INTO "counters" VALUES('stage_seconds','[["stage","write.file#2"]]',1.97965000097610754892e-04);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, stage TEXT NOT NULL, error TEXT NOT NULL,
    why TEXT NOT NULL, attempts INTEGER NOT NULL, file_id INTEGER NOT NULL, file TEXT NOT NULL, path TEXT NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL, event_id TEXT NOT NULL, raw BLOB NOT NULL, event TEXT,
    trace TEXT, sink TEXT, config TEXT NOT NULL, size INTEGER NOT NULL
);
INSERT INTO "dead_letters" VALUES(1,1.79565377926264333721e+09,'parse.json','no_match','no JSON: invalid literal, expected ''null'' at column 1: ''no json''',1,1,'app.log','/srv/golden/logs/app.log',8,7,'1:8',X'6E6F206A736F6E',NULL,NULL,NULL,'c3273445a420c39e',302);
INSERT INTO "dead_letters" VALUES(2,1.79565377938372325904e+09,'parse.json','no_match','no JSON: unexpected character, expected a JSON value at column 1: ''��''',1,2,'caf\xe9.log','/srv/golden/logs/caf\xe9.log',8,2,'2:8',X'FFFE',NULL,NULL,NULL,'c3273445a420c39e',311);
INSERT INTO "dead_letters" VALUES(3,1.79565377938426542275e+09,'source','too_long','the line has 300 bytes, source.max_line_bytes allows fewer; its beginning is kept',1,2,'caf\xe9.log','/srv/golden/logs/caf\xe9.log',11,300,'2:11',X'787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878',NULL,NULL,NULL,'c3273445a420c39e',620);
CREATE TABLE files (
    file_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, path BLOB NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, offset INTEGER NOT NULL,
    head_length INTEGER NOT NULL, head_hash TEXT NOT NULL, tail_length INTEGER NOT NULL, tail_hash TEXT NOT NULL,
    size INTEGER NOT NULL, ended INTEGER NOT NULL, ledger TEXT NOT NULL
);
INSERT INTO "files" VALUES(1,'app.log',X'2F7372762F676F6C64656E2F6C6F67732F6170702E6C6F67',65024,1458181,25,25,'137a846cb2e3a9246fe9fc40c2eecdd5',25,'137a846cb2e3a9246fe9fc40c2eecdd5',25,0,'{"seen":25,"acknowledged":17,"dead_lettered":8,"skipped":{},"lost":{},"pending":0}');
INSERT INTO "files" VALUES(2,'caf\xe9.log',X'2F7372762F676F6C64656E2F6C6F67732F636166E92E6C6F67',65024,1458182,312,312,'daf2da0466462420610261ae96add8bf',128,'0584f1a7305c0b9f39977b708d67a4e1',312,0,'{"seen":312,"acknowledged":8,"dead_lettered":304,"skipped":{},"lost":{},"pending":0}');
INSERT INTO "files" VALUES(3,'turned.log',X'2F7372762F676F6C64656E2F6C6F67732F7475726E65642E6C6F67',65024,1458183,16,16,'433974e2de9bca30b16f749a766571d5',16,'433974e2de9bca30b16f749a766571d5',16,1,'{"seen":16,"acknowledged":16,"dead_lettered":0,"skipped":{},"lost":{},"pending":0}');
INSERT INTO "files" VALUES(4,'turned.log',X'2F7372762F676F6C64656E2F6C6F67732F7475726E65642E6C6F67',65024,1458183,8,8,'3d21b323ddd44015c687f32d65066098',8,'3d21b323ddd44015c687f32d65066098',8,0,'{"seen":8,"acknowledged":8,"dead_lettered":0,"skipped":{},"lost":{},"pending":0}');
CREATE TABLE marks (
    sink TEXT NOT NULL, destination TEXT NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL,
    inode INTEGER NOT NULL, length INTEGER NOT NULL, tail TEXT NOT NULL, ours INTEGER NOT NULL,
    PRIMARY KEY (sink, destination)
) WITHOUT ROWID;
INSERT INTO "marks" VALUES('all','/srv/golden/out/all.ndjson','/srv/golden/out/all.ndjson',65024,1458192,406,'79d22b289c4d3a70048415d17865cd70',1);
INSERT INTO "marks" VALUES('write.file:out/{source}.ndjson','/srv/golden/out/app.log.ndjson','/srv/golden/out/app.log.ndjson',65024,1458191,132,'53dccd3ae8a2ca52b19bf5c00f219a82',1);
INSERT INTO "marks" VALUES('write.file:out/{source}.ndjson','/srv/golden/out/caf\xe9.log.ndjson','/srv/golden/out/caf\xe9.log.ndjson',65024,1458193,70,'00891dfaeebaabb452006411d9c28233',1);
INSERT INTO "marks" VALUES('write.file:out/{source}.ndjson','/srv/golden/out/turned.log.ndjson','/srv/golden/out/turned.log.ndjson',65024,1458194,204,'79d22b289c4d3a70048415d17865cd70',1);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('schema_version','1');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('files',4);
INSERT INTO "sqlite_sequence" VALUES('dead_letters',3);
COMMIT;
