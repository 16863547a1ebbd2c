// An SMSC between the entities that bind to it: what one submits, the other whose address_range matches gets delivered, and a receipt goes back.
//
//   node smsc.js '{"accounts": {"omadm": "secret", "dev": "devpw"}}'
//
// Listens on a free port of loopback and says so; tells what happens, a line each, in the words of SMPP. Faults are wanted by members:
//   throttle N     the first N submissions get ESME_RTHROTTLED
//   refuse STATUS  every submission gets this status
//   drop N         the connection that brought the Nth submission ends before its answer, once
//   late MS        submissions are answered so much later
//   mute true      submissions are never answered
//   twice true     each delivery comes twice
//   reorder N      N deliveries are held and then made in reverse order
//   fate STATE     message_state of receipts: 2 delivered (default), 3 expired, 5 undeliverable
//   key, cert      files: TLS
'use strict';
const fs = require('fs');
const smpp = require('smpp');

const wanted = JSON.parse(process.argv[2] || '{}');
const bound = new Set();
let submissions = 0;
let messages = 0;
let dropped = false;
let held = [];

const tell = (...words) => console.log(words.join(' '));

// The library splits the user data header off; this is the octets as they came.
const octets = ({ udh, message }) => {
  if (!udh || !udh.length) return message;
  const header = Buffer.concat(udh);
  return Buffer.concat([Buffer.from([header.length]), header, message]);
};

const receipt = (submitter, pdu, id) => {
  const state = wanted.fate || 2;
  const stat = { 2: 'DELIVRD', 3: 'EXPIRED', 5: 'UNDELIV' }[state];
  // An entity that bound again gets the receipts of what it submitted before.
  const back = bound.has(submitter) ? submitter : [...bound].find((other) => other.name === submitter.name);
  if (!back) return;
  tell('receipt', id, stat);
  back.deliver_sm({
    esm_class: 4,
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:${stat} err:000 text:`,
    receipted_message_id: id,
    message_state: state,
  });
};

const deliver = (submitter, receiver, pdu, id) => {
  const times = wanted.twice ? 2 : 1;
  for (let time = 1; time <= times; time += 1) {
    const { source_addr_ton, source_addr_npi, source_addr, dest_addr_ton, dest_addr_npi, destination_addr, esm_class, data_coding } = pdu;
    receiver.deliver_sm(
      {
        source_addr_ton, source_addr_npi, source_addr, dest_addr_ton, dest_addr_npi, destination_addr, esm_class, data_coding,
        short_message: octets(pdu.short_message),
      },
      (answer) => {
        tell('delivered', id, answer.command_status);
        if (time === times && pdu.registered_delivery & 1) receipt(submitter, pdu, id);
      },
    );
  }
};

const submit = (session, pdu) => {
  submissions += 1;
  const number = submissions;
  const hex = octets(pdu.short_message).toString('hex');
  const says = (status) => tell('submit', number, pdu.destination_addr, pdu.esm_class, pdu.data_coding, status, hex);
  if (wanted.drop === number && !dropped) {
    dropped = true;
    says('dropped');
    session.destroy();
    return;
  }
  if (wanted.mute) {
    says('mute');
    return;
  }
  let status = wanted.refuse || 0;
  if (number <= (wanted.throttle || 0)) status = smpp.ESME_RTHROTTLED;
  const receiver = [...bound].find((other) => other !== session && other.range && new RegExp(other.range).test(pdu.destination_addr));
  if (!status && !receiver) status = smpp.ESME_RINVDSTADR;
  says(status);
  const answer = () => {
    if (status) {
      session.send(pdu.response({ command_status: status }));
      return;
    }
    messages += 1;
    const id = messages.toString(16).padStart(8, '0');
    session.send(pdu.response({ message_id: id }));
    held.push(() => deliver(session, receiver, pdu, id));
    if (held.length >= (wanted.reorder || 1)) {
      held.reverse().forEach((go) => go());
      held = [];
    }
  };
  setTimeout(answer, wanted.late || 0);
};

const bind = (session, pdu) => {
  const good = (wanted.accounts || {})[pdu.system_id] === pdu.password && pdu.password;
  tell('bind', pdu.system_id, good ? 'ok' : 'refused', pdu.address_range);
  if (!good) {
    session.send(pdu.response({ command_status: smpp.ESME_RBINDFAIL }));
    session.close();
    return;
  }
  session.range = pdu.address_range;
  session.name = pdu.system_id;
  bound.add(session);
  session.send(pdu.response({ system_id: 'smsc' }));
};

const options = wanted.cert ? { key: fs.readFileSync(wanted.key), cert: fs.readFileSync(wanted.cert) } : {};
const server = smpp.createServer(options, (session) => {
  session.on('bind_transceiver', (pdu) => bind(session, pdu));
  session.on('submit_sm', (pdu) => (bound.has(session) ? submit(session, pdu) : session.send(pdu.response({ command_status: smpp.ESME_RINVBNDSTS }))));
  session.on('enquire_link', (pdu) => {
    tell('enquire_link', session.name);
    session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    tell('unbind', session.name);
    session.send(pdu.response());
    session.close();
  });
  session.on('close', () => bound.delete(session));
  session.on('error', (error) => {
    tell('error', error.message);
    session.destroy();
  });
});
server.listen(wanted.port || 0, '127.0.0.1', () => tell('listening', server.address().port));
// Ends with whoever started it.
process.stdin.on('end', () => process.exit(0)).resume();
