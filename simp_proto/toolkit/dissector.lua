
-- SIMP as Wireshark shows it: what simp_proto.datagram.parse does, by the tables above, and what can be said of SIMP/2
-- without a cipher. `spec N` is spec/simp.md, `simp2 N` spec/simp2.md.

local simp = Proto("simp", "Simple IMC Messaging Protocol")

local framing_field = ProtoField.string("simp.framing", "Framing")
local type_field = ProtoField.uint8("simp.type", "Type", base.HEX, TYPES)
-- Its words depend on the type (spec 2.2), which Wireshark's own labels can't.
local operation_field = ProtoField.string("simp.operation", "Operation")
local sequence_field = ProtoField.uint8("simp.sequence", "Sequence", base.DEC)
local user_field = ProtoField.string("simp.user", "User")
local length_field = ProtoField.uint32("simp.length", "Length", base.DEC)
local checksum_field = ProtoField.uint16("simp.checksum", "Checksum", base.HEX)
local statuses = { [0] = "bad", [1] = "good" }
local status_field = ProtoField.uint8("simp.checksum.status", "Checksum status", base.DEC, statuses)
local payload_field = ProtoField.string("simp.payload", "Payload")
-- Of SIMP/2 (simp2 2, 3.1).
local kind_field = ProtoField.string("simp.kind", "Kind")
local quiet_field = ProtoField.bool("simp.quiet", "Quiet")
local key_field = ProtoField.string("simp.key", "Key")
local proof_field = ProtoField.string("simp.proof", "Proof")
local part_fields = {
    tag = ProtoField.bytes("simp.tag", "Tag"),
    cookie = ProtoField.bytes("simp.cookie", "Cookie"),
    message = ProtoField.bytes("simp.message", "Handshake message"),
    session = ProtoField.bytes("simp.session", "Session"),
    counter = ProtoField.uint64("simp.counter", "Counter", base.DEC),
    sealed = ProtoField.bytes("simp.sealed", "Sealed frames"),
}
simp.fields = {
    framing_field, type_field, operation_field, sequence_field, user_field, length_field, checksum_field, status_field,
    payload_field, kind_field, quiet_field, key_field, proof_field, part_fields.tag, part_fields.cookie,
    part_fields.message, part_fields.session, part_fields.counter, part_fields.sealed,
}

local refused_expert = ProtoExpert.new("simp.refused", "Refused", expert.group.MALFORMED, expert.severity.ERROR)
local checksum_expert =
    ProtoExpert.new("simp.checksum.bad", "Wrong checksum", expert.group.CHECKSUM, expert.severity.ERROR)
local number_expert =
    ProtoExpert.new("simp.sequence.foreign", "Number beyond 1", expert.group.PROTOCOL, expert.severity.NOTE)
local cut_expert = ProtoExpert.new("simp.cut", "Not whole", expert.group.UNDECODED, expert.severity.NOTE)
simp.experts = { refused_expert, checksum_expert, number_expert, cut_expert }

local udp_length = Field.new("udp.length")

simp.prefs.ports = Pref.range("UDP ports", tostring(PORT), "The ports that daemons use", 65535)
local choices = { { 0, "any", 0 } }
for index, framing in ipairs(FRAMINGS) do
    choices[index + 1] = { index, framing.name, index }
end
simp.prefs.framing = Pref.enum("Framing", 0, "Read datagrams only in this framing; any: in whichever fits", choices)

-- Bytes become what people read --

local function escaped(character)
    return (character:gsub(".", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

local function user_name(user)
    return (user:gsub("^[%z ]+", ""):gsub("[%z ]+$", ""):gsub("[^ -~]", escaped))
end

-- The well-formed characters beyond ASCII, without the controls that begin at 0x80 (Unicode, table 3-7).
local CHARACTERS = {
    "^\194[\160-\191]", "^[\195-\223][\128-\191]",
    "^\224[\160-\191][\128-\191]", "^[\225-\236\238\239][\128-\191][\128-\191]", "^\237[\128-\159][\128-\191]",
    "^\240[\144-\191][\128-\191][\128-\191]", "^[\241-\243][\128-\191][\128-\191][\128-\191]",
    "^\244[\128-\143][\128-\191][\128-\191]",
}
local CONTROL = "^\194([\128-\159])"

-- UTF-8, with each byte that isn't, and each control character, as \xHH (spec 5.6).
local function text(payload)
    if not payload:find("[^ -~]") then
        return payload
    end
    local parts, at = {}, 1
    while at <= #payload do
        local part = payload:match("^[ -~]+", at)
        for _, character in ipairs(CHARACTERS) do
            part = part or payload:match(character, at)
        end
        local control = not part and payload:match(CONTROL, at)
        at = at + (part and #part or control and 2 or 1)
        parts[#parts + 1] = part or escaped(control or payload:sub(at - 1, at - 1))
    end
    return table.concat(parts)
end

-- Bytes become numbers: nil where they end too early --

local function number(data, at, size)
    if #data < at + size then
        return nil
    end
    local value = 0
    for index = at + 1, at + size do
        value = value * 256 + data:byte(index)
    end
    return value
end

local function field(data, name)
    return number(data, HEAD[name].at, HEAD[name].size)
end

local function checksum_at(framing, length)
    return framing.checksum + (framing.behind_payload and length or 0)
end

-- RFC 1071 over the whole datagram with the checksum's two bytes zero, modulo 0xffff (spec 2.6).
local function computed(data, at, swapped)
    local sum = 0
    local padded = data .. ("\0"):rep(-#data % 8)
    for index = 1, #padded, 8 do
        local a, b, c, d, e, f, g, h = padded:byte(index, index + 7)
        sum = sum + (a + c + e + g) * 256 + b + d + f + h
    end
    for index = at, at + 1 do
        sum = sum - data:byte(index + 1) * (index % 2 == 0 and 256 or 1)
    end
    local checksum = -sum % 0xffff
    local low = checksum % 256
    return swapped and low * 256 + (checksum - low) / 256 or checksum
end

-- What is wrong, in the words of simp_proto --

local function refusal(name, at, read, expected, section)
    return {
        field = name,
        rule = section and section:find(" ") and section or "spec " .. (section or SECTIONS[name]),
        message = name .. " at offset " .. at .. ": read " .. read .. ", expected " .. expected,
    }
end

local function refused_octet(data, name, expected)
    return refusal(name, HEAD[name].at, ("0x%02x"):format(field(data, name)), expected)
end

local function fits(data, framing)
    return #data >= HEAD_SIZE and #data == HEAD_SIZE + framing.extra + field(data, "length")
end

local function refused_size(data, framing)
    local the_end = "the end after " .. #data .. " bytes"
    if #data < HEAD_SIZE then
        local last
        for _, name in ipairs(NAMES) do
            last = HEAD[name].at <= #data and name or last
        end
        return refusal(last, HEAD[last].at, the_end, "at least " .. HEAD_SIZE .. " bytes", "2")
    end
    local payload = #data - HEAD_SIZE - framing.extra
    if payload < 0 then
        local least = "at least " .. HEAD_SIZE + framing.extra .. " bytes in " .. framing.name
        return refusal("length", HEAD.length.at, the_end, least, "2.6")
    end
    local checksum = framing.extra > 0 and ", " .. framing.extra .. " of checksum" or ""
    local parts = HEAD_SIZE .. " of fixed fields" .. checksum .. " and " .. payload .. " of payload"
    local expected = payload .. ": " .. #data .. " bytes in " .. framing.name .. " are " .. parts
    local section
    for _, other in ipairs(FRAMINGS) do
        section = fits(data, other) and "2.6" or section
    end
    return refusal("length", HEAD.length.at, field(data, "length"), expected, section)
end

-- nil for a datagram that is right in this framing, otherwise the first thing that is wrong.
local function judged(data, framing)
    local type, operation, sequence = field(data, "type"), field(data, "operation"), field(data, "sequence")
    if type and not TYPES[type] then
        return refused_octet(data, "type", EXPECTED.type)
    elseif operation and not OPERATIONS[type][operation] then
        return refused_octet(data, "operation", EXPECTED.operation[type])
    elseif sequence and sequence > framing.greatest_sequence then
        return refused_octet(data, "sequence", EXPECTED.sequence)
    elseif not fits(data, framing) then
        return refused_size(data, framing)
    end
    local length = field(data, "length")
    if framing.extra > 0 then
        local at = checksum_at(framing, length)
        local read, right = number(data, at, framing.extra), computed(data, at, framing.swapped)
        if read ~= right then
            return refusal("checksum", at, ("0x%04x"):format(read), ("0x%04x"):format(right))
        end
    end
    return nil
end

-- The first of the framings that is right; otherwise the first that fits by size, or the first, and what is wrong.
local function parsed(data, framings)
    local chosen, wrong
    for _, framing in ipairs(framings) do
        if fits(data, framing) then
            local refused = judged(data, framing)
            if not refused then
                return framing
            end
            chosen, wrong = chosen or framing, wrong or refused
        end
    end
    return chosen or framings[1], wrong or judged(data, framings[1])
end

-- SIMP/2 (simp2 2, 3) --

-- A number as people write it: 1,024.
local function grouped(digits)
    return (tostring(digits):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function hexadecimal(bytes)
    return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function contains(list, item)
    for _, each in ipairs(list) do
        if each == item then
            return true
        end
    end
    return false
end

-- What the first byte of a right datagram's payload says it is; nil where that is SIMP/1's.
local function sealed_byte(data, framing)
    local first = framing.name == "header" and data:byte(framing.payload + 1)
    return first and first >= 0x80 and first < 0xc0 and first or nil
end

local function misplaced(name, at, read, expected)
    return refusal(name, at, read, expected, "simp2 3.2")
end

-- nil for what is right in SIMP/2, or none of it; otherwise the first thing that is wrong.
local function malformed(data, framing, tvb)
    local first = sealed_byte(data, framing)
    if not first then
        return nil
    end
    local kind, length = KINDS[first], field(data, "length")
    if not kind then
        return misplaced("payload", framing.payload, ("0x%02x"):format(first), SEALED_EXPECTED.payload)
    end
    local operation = OPERATIONS[field(data, "type")][field(data, "operation")]
    if not contains(kind.operations, operation) then
        return misplaced("operation", HEAD.operation.at, operation, kind.expected.operation)
    elseif field(data, "sequence") > 0 then
        return misplaced("sequence", HEAD.sequence.at, field(data, "sequence"), SEALED_EXPECTED.sequence)
    end
    local user = data:sub(HEAD.user.at + 1, HEAD.user.at + HEAD.user.size)
    if user:find("[^%z]") then
        return misplaced("user", HEAD.user.at, "0x" .. hexadecimal(user:gsub("%z+$", "")), SEALED_EXPECTED.user)
    elseif length < kind.least or kind.most and length > kind.most then
        return misplaced("length", HEAD.length.at, grouped(length), kind.expected.length)
    end
    for _, part in ipairs(kind.fields) do
        local at = framing.payload + part.at
        if part.name == "counter" and data:byte(at + 1) >= 0x80 then
            local read = grouped(tvb(at, part.size):uint64())
            return refusal("counter", at, read, kind.expected.counter, "simp2 3.1")
        end
    end
    return nil
end

local BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function base64_value(text, at)
    return BASE64URL:find(text:sub(at, at), 1, true) - 1
end

local function are_tokens(text)
    return text:gsub(" [!-?A-~]+", "") == ""
end

-- Where key and proof are in the payload of a SYN, and whether its call is quiet; nil where it offers SIMP/1 at most.
local function offered(data, framing)
    local payload = data:sub(framing.payload + 1, framing.payload + field(data, "length"))
    local is_syn = OPERATIONS[field(data, "type")][field(data, "operation")] == "SYN"
    local may_offer = is_syn and field(data, "sequence") == 0 and framing.name ~= "trailer"
    if not may_offer or #payload > OFFER.most or payload:sub(1, #OFFER.start) ~= OFFER.start then
        return nil
    end
    local before = (payload:find(" SIMP/2 ", #OFFER.start + 1, true) or 0) - 1
    local key, after, proof = payload:sub(before + 9):match("^([%w_-]+)(.-) @([%w_-]+)$")
    if before < 0 or not key or #key ~= 44 or #proof ~= 43 or base64_value(proof, 43) % 4 > 0 then
        return nil
    end
    if not are_tokens(payload:sub(#OFFER.start + 1, before)) or not are_tokens(after) then
        return nil
    end
    local flags = base64_value(key, 1) * 4 + math.floor(base64_value(key, 2) / 16)
    return { key = before + 8, proof = #payload - #proof, quiet = flags % 2 == 1 }
end

-- Which framing to try first: the conversation's (spec 2.6). Wireshark reads a datagram again whenever one looks at it,
-- so each keeps what was known when it was read the first time.

local spoken, known = {}, {}

function simp.init()
    spoken, known = {}, {}
end

local function conversation(pinfo)
    local source = tostring(pinfo.src) .. " " .. pinfo.src_port
    local destination = tostring(pinfo.dst) .. " " .. pinfo.dst_port
    return source < destination and source .. " " .. destination or destination .. " " .. source
end

local function in_order(first)
    local framings = { first }
    for _, framing in ipairs(FRAMINGS) do
        if framing ~= first then
            framings[#framings + 1] = framing
        end
    end
    return framings
end

local ORDERS = {}
for _, framing in ipairs(FRAMINGS) do
    ORDERS[framing] = in_order(framing)
end

local function parsed_in_conversation(data, pinfo)
    if simp.prefs.framing > 0 then
        return parsed(data, { FRAMINGS[simp.prefs.framing] })
    end
    if pinfo.visited then
        return parsed(data, ORDERS[known[pinfo.number]] or FRAMINGS)
    end
    local between = conversation(pinfo)
    known[pinfo.number] = spoken[between]
    local framing, refused = parsed(data, ORDERS[spoken[between]] or FRAMINGS)
    if not refused then
        spoken[between] = framing
    end
    return framing, refused
end

-- The tree --

local function payload_text(data, framing)
    return text(data:sub(framing.payload + 1, framing.payload + field(data, "length")))
end

-- What it is in SIMP/2; nil where it is nothing of it.
local function sealed_summary(data, framing, tvb)
    local offer, first = offered(data, framing), sealed_byte(data, framing)
    if offer then
        return "OFFER" .. (offer.quiet and ", quiet" or "")
    elseif not first then
        return nil
    end
    local kind = KINDS[first]
    local said = kind.name
    if #kind.operations > 1 then
        said = OPERATIONS[field(data, "type")][field(data, "operation")] .. " " .. said
    end
    for _, part in ipairs(kind.fields) do
        local at = framing.payload + part.at
        if part.name == "tag" or part.name == "session" then
            said = said .. " " .. hexadecimal(data:sub(at + 1, at + part.size))
        elseif part.name == "counter" then
            said = said .. " " .. tostring(tvb(at, part.size):uint64())
        end
    end
    return said
end

local function summary(data, framing)
    local said = OPERATIONS[field(data, "type")][field(data, "operation")] .. " " .. field(data, "sequence")
    return field(data, "length") > 0 and said .. " '" .. payload_text(data, framing) .. "'" or said
end

local show = {
    type = function(tree, range) return tree:add(type_field, range) end,
    operation = function(tree, range, type)
        local read = ("0x%02x"):format(range:uint())
        local label = (OPERATIONS[type] or {})[range:uint()]
        return tree:add(operation_field, range, label or read):append_text(label and " (" .. read .. ")" or "")
    end,
    sequence = function(tree, range) return tree:add(sequence_field, range) end,
    user = function(tree, range) return tree:add(user_field, range, user_name(range:raw())) end,
    length = function(tree, range) return tree:add(length_field, range) end,
}

-- Shows each field that is there; returns their items by name.
local function show_head(tree, tvb, data)
    local items = {}
    for _, name in ipairs(NAMES) do
        local at, size = HEAD[name].at, HEAD[name].size
        if #data >= at + size then
            items[name] = show[name](tree, tvb(at, size), field(data, "type"))
        end
    end
    return items
end

local function show_offer(tree, tvb, framing, offer, length)
    tree:add(kind_field, tvb(framing.payload, length), "OFFER"):set_generated()
    tree:add(key_field, tvb(framing.payload + offer.key, 44))
    tree:add(quiet_field, tvb(framing.payload + offer.key, 2), offer.quiet):set_generated()
    tree:add(proof_field, tvb(framing.payload + offer.proof, 43))
end

local function show_parts(tree, tvb, data, framing, length)
    local kind = KINDS[sealed_byte(data, framing)]
    tree:add(kind_field, tvb(framing.payload, 1), kind.name)
    for _, part in ipairs(kind.fields) do
        tree:add(part_fields[part.name], tvb(framing.payload + part.at, part.size or length - part.at))
    end
end

local function show_payload(tree, tvb, data, framing, refused)
    local length = field(data, "length")
    local offer = not refused and offered(data, framing)
    if offer then
        show_offer(tree, tvb, framing, offer, length)
    end
    if not refused and sealed_byte(data, framing) then
        show_parts(tree, tvb, data, framing, length)
    elseif length > 0 then
        tree:add(payload_field, tvb(framing.payload, length), payload_text(data, framing))
    end
end

local function show_checksum(tree, tvb, data, framing, refused)
    if framing.extra == 0 then
        return nil
    end
    local at = checksum_at(framing, field(data, "length"))
    local right = not refused or number(data, at, framing.extra) == computed(data, at, framing.swapped)
    local item = tree:add(checksum_field, tvb(at, framing.extra))
    item:add(status_field, tvb(at, framing.extra), right and 1 or 0):set_generated()
    return item
end

-- What UDP says, since a capture may have less of it, and an ICMP error quotes only its beginning.
local function sent_size(tvb)
    local lengths = { udp_length() }
    return #lengths > 0 and lengths[#lengths].value - 8 or tvb:reported_len()
end

function simp.dissector(tvb, pinfo, tree)
    local data = tvb:len() > 0 and tvb:raw() or ""
    local branch = tree:add(simp, tvb())
    pinfo.cols.protocol = "SIMP"
    if tvb:len() < sent_size(tvb) then
        local cut = "not whole: " .. tvb:len() .. " of " .. sent_size(tvb) .. " bytes"
        show_head(branch, tvb, data)
        branch:add_proto_expert_info(cut_expert, cut)
        pinfo.cols.info = cut
        return tvb:len()
    end
    local framing, refused = parsed_in_conversation(data, pinfo)
    refused = refused or malformed(data, framing, tvb)
    local fitting = fits(data, framing)
    if fitting then
        branch:add(framing_field, tvb(), framing.name):set_generated()
    end
    local items = show_head(branch, tvb, data)
    if fitting and framing.behind_payload then
        show_payload(branch, tvb, data, framing, refused)
        items.checksum = show_checksum(branch, tvb, data, framing, refused)
    elseif fitting then
        items.checksum = show_checksum(branch, tvb, data, framing, refused)
        show_payload(branch, tvb, data, framing, refused)
    end
    if refused then
        local wrong = refused.field == "checksum" and checksum_expert or refused_expert
        local item = items[refused.field] or branch
        item:add_proto_expert_info(wrong, refused.message)
        pinfo.cols.info = "refused (" .. refused.rule .. "): " .. refused.message
    else
        local sequence = field(data, "sequence")
        if sequence > 1 then
            items.sequence:add_proto_expert_info(number_expert, sequence .. ": SIMP/1 numbers are 0 and 1")
        end
        local said = sealed_summary(data, framing, tvb) or summary(data, framing)
        branch:append_text(", " .. framing.name .. ", " .. said)
        pinfo.cols.info = said
    end
    return tvb:len()
end

-- The ports --

local registered

local function register(ports)
    local udp = DissectorTable.get("udp.port")
    if registered then
        udp:remove(registered, simp)
    end
    udp:add(ports, simp)
    registered = ports
end

function simp.prefs_changed()
    register(simp.prefs.ports)
end

register(simp.prefs.ports)
