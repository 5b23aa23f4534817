"""Every limit of the head-end, named, with its reason. Times in seconds unless the name says otherwise."""

# --- lines -----------------------------------------------------------------------------------------------------------
BITS_PER_CHARACTER = 11  # 8E1 or 8N2, the slowest usual framing (meters.md section 8.1)
QUIET_CHARACTERS = 3.5  # Modbus over serial line V1.02, 2.5.1.1: silence between frames
QUIET_MIN_S = 0.002  # 1.75 ms is fixed above 19200 baud; rounded up to the loop's own resolution
DRAIN_MAX_S = 6.0  # a line observed to be later than this is sick, not slow
LATENESS_MARGIN = 1.5  # the drain is this much longer than the latest reply seen
LATENESS_HALF_LIFE_S = 600.0  # what was learnt about lateness fades, so that one bad minute is not for ever
GAP_MAX_S = 0.5  # the quiet time may grow to this on a line that sends replies twice
DUPLICATE_WITHIN_S = 1.0  # bytes this soon after a good reply are its duplicate, not a late reply
MAX_INBOX_BYTES = 4096  # unread bytes kept of one conversation; a chattering gateway loses the rest
TRANSACTIONS_APART = 64  # Modbus TCP transaction numbers between two conversations; none sends so many frames
MAX_STEPS = 200  # steps of one conversation; more is a driver that does not end

CONNECT_TIMEOUT_S = 5.0
MAX_DATAGRAM = 2048  # bytes; the longest frame has 267, and what is cut off is no frame
UNACKED_MAX_MS = 5000  # a request not taken by the gateway's network stack for so long is withdrawn
MAX_CONNECTING = 256  # connection attempts at once, so that a dead network does not eat the sockets
RECONNECT_FIRST_S = 1.0
RECONNECT_MAX_S = 15.0  # open deliveries must settle within 60 s of a gateway's return
RECONNECT_JITTER = 0.25  # a thousand gateways behind one router must not knock in step

# --- those who call us -----------------------------------------------------------------------------------------------
CALL_BACKLOG = 4096  # connections the system may hold until we accept them: a storm of 1,000/s is one of seconds
MAX_CALLS = 20_000  # connections in all: twice what one process is meant for
MAX_CALLS_PER_ADDRESS = 16_384  # a mobile network shows its meters behind few addresses
MAX_UNNAMED = 4096  # connections that have not said who they are
MAX_UNNAMED_PER_ADDRESS = 2048  # and from one address: two seconds of a storm
NAME_WITHIN_S = 15.0  # to say it in
NAME_PAUSE_S = 0.3  # what a serial server sends within this is its registration
FRAME_PAUSE_S = 3.0  # what begins like a frame of DL/T 645 may take this long to be one
MAX_BEFORE_NAME = 256  # bytes; the longest registration has 65
MAX_HANDSHAKE_BYTES = 16_384  # of TLS from the other end: a certificate with those that signed it has 2,000 to 6,000
MAX_UNTAKEN_BYTES = 65_536  # an end that asks for new keys and never reads its answers is cut off
TLS_READ_BYTES = 16_384  # a record of TLS
MAX_STRANGERS = 1024  # callers that no gateway is known for
MAX_STRANGERS_PER_ADDRESS = 64
STRANGER_STAYS_S = 300.0  # then he is cut off; he stays in the list and may call again
SAY_STRANGERS_S = 60.0  # strangers are worth a log line this often, whoever knocks how fast
ASK_ROWS = 1000  # callers asked about in one call of the mailbox
ASK_STRANGER_AGAIN_S = 5.0  # he may have been taken over meanwhile
KNOWN_AGAIN_S = 60.0  # and a known one's gateway may have got another identity
SWEEP_S = 1.0
IDLE_HEARTBEATS = 2.5  # silent for so many: gone (meters.md section 10.5); an answered poll is a heartbeat too
IDLE_LEAST_S = 300.0  # boxes are set to one heartbeat in 30 to 120 s
KEEPALIVE_IDLE_S = 30  # a lost meter is noticed within a minute also where nobody asks it anything
KEEPALIVE_EVERY_S = 10
KEEPALIVE_TRIES = 3
TICK_SOON_S = 0.3  # a caller's gateway is asked for this soon, many at a time
LISTEN_AGAIN_S = 5.0  # the port was taken

# --- polling ---------------------------------------------------------------------------------------------------------
STARTUP_SPREAD_S = 20.0  # first status polls are spread over this, to show a site soon without a storm
MAX_BACK_OFF_CYCLES = 16  # a silent meter is probed at 1, 2, 4, 8, 16 status cycles (meters.md section 10.2)
WANTED_S = 120.0  # so long after its last try an open command keeps its meter from backing off; it is tried each 30 s
SILENT_LINE_CONVERSATIONS = 4  # so many meters (or all, if fewer) fell silent in a row: it is the link
SILENT_LINE_RECONNECT = 16  # and at each multiple of this the socket is suspected to be half open
MISSES_TO_LOG = 3  # misses in a row before a silent meter is worth a log line (offline = 3 polls)
HEALTH_REPORT_S = 60.0  # a lasting silence is reported again at most this often
LINE_REPORT_S = 30.0  # replies and timeouts of a healthy line are reported this often

# --- commands --------------------------------------------------------------------------------------------------------
MAX_CLAIM = 64  # jobs per claim
MAX_IN_HAND = 4096  # claimed jobs in this process
MAX_IN_HAND_PER_GATEWAY = 64  # so that one slow bus with a long list does not take the whole hand
MAX_COMMAND_WAIT_S = 20.0  # a command unsent for so long is given back: its reason may be gone
SLOW_COMMAND_WAITS = 5  # behind a concentrator as long as so many exchanges that get no reply: a poll may be under way
MAX_READ_WAIT_S = 120.0  # nobody waits longer for a reading
DOWN_GATEWAY_CLAIM_S = 30.0  # jobs of a gateway without any line up are claimed (and found silent) this often

# --- scans -----------------------------------------------------------------------------------------------------------
SCAN_TURN_S = 5.0  # on a bus that is never idle a scan asks one question this often: a fifth of the time at most
SCAN_SAY_S = 1.0  # how far a scan is, is said this often
SCAN_LOOK_S = 2.0  # new scans are looked for this often
SCAN_DOWN_S = 120.0  # a scan waits so long for a line that went down

# --- mailbox ---------------------------------------------------------------------------------------------------------
TICK_S = 1.5  # heartbeat and renewal of leases
FLUSH_S = 0.2  # readings wait at most this long for company
FLUSH_ROWS = 500  # or until there are so many
STORE_ROWS = 2000  # rows per transaction: after an outage the heartbeat must not wait for all of them
STORE_SLOW_S = 4.0  # half of what a lease is certain for: what takes longer is made half as large, down to FLUSH_ROWS
HEALTH_ROWS = 500  # states of lines, and of meters, per transaction: ten thousand that dial in come up at once
MAX_POLLS_HELD = 20_000  # readings kept while the database is away; then polling pauses
CLAIM_IDLE_S = 1.0  # look for due jobs this often even if nobody called
PLANS_PER_ROUND = 20  # gateways loaded before commands and readings have their turn again
PLANS_S = 3.0  # or fewer, where each takes long
MAILBOX_RETRY_FIRST_S = 0.25
MAILBOX_RETRY_MAX_S = 3.0
WAIT_S = 1.0  # one LISTEN; short, so that a stop is noticed
STOP_TALKING_S = 5.0  # conversations in flight may end after a stop
STOP_FLUSH_S = 5.0  # and what they found may be stored
WATCH_S = 0.5  # the age of the lease is looked at this often
