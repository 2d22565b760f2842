using System.Text;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary>
/// Spoils small valid tokenizer files at random and reads them from memory. Every outcome but a tokenizer
/// that can
/// be used or a <see cref="CheckpointException"/> is a failure, as is memory far beyond the file's size.
/// </summary>
internal sealed class TokenizerFuzz
{
    private const int MaxFileBytes = 32 << 10;
    private const int MaxAllocatedBytes = 16 << 20;
    private const string Sample = "the hello<|end|> wo\u0301rld \u4F60\u597D \U0001F600 123\n\n  x</s>";

    private static readonly string[] Fragments =
    [
        "{", "}", "[", "]", "\"", ",", ":", "null", "true", "-1", "0", "7", "1.5", "1e999", "2147483647",
        "65000", "99999999999999999999", "\\ud800", "\\u0000", "[[[[[[[[", "\"\"", "{}", "\" \"", "\u2581",
        "\u0120", "\"type\":\"Sequence\"", "\"NFC\"", "\"ByteLevel\"", "\"Metaspace\"", "\"Prepend\"",
        "\"Replace\"", "\"BPE\"",
    ];

    private readonly Random _random;
    private readonly byte[][] _files;
    private readonly byte[] _config;

    private TokenizerFuzz(int seed)
    {
        _random = new Random(seed);
        JsonObject[] seeds =
        [
            SmallTokenizers.ByteLevel(), SmallTokenizers.SentencePiece(),
            SmallTokenizers.SentencePiece(metaspace: true),
        ];
        _files = [.. seeds.Select(SmallTokenizers.Bytes)];
        _config = """
            {"bos_token":"<s>","eos_token":{"content":"</s>"},"pad_token":null,"unk_token":"<unk>",
             "add_bos_token":true,"add_eos_token":false,"tokenizer_class":"LlamaTokenizer"}
            """u8.ToArray();
    }

    /// <summary>Reads <paramref name="count"/> spoilt files; returns how many were refused.</summary>
    public static int Run(int count, int seed) => new TokenizerFuzz(seed).Run(count, $"seed {seed}");

    private int Run(int count, string seed)
    {
        foreach (byte[] file in _files)
        {
            Assert.That(file, Has.Length.LessThanOrEqualTo(MaxFileBytes));
            Use(file, _config);
        }
        int refused = 0;
        for (int index = 0; index < count; index++)
        {
            byte[] file = _files[index % _files.Length];
            bool spoilsConfig = _random.Next(8) == 0;
            byte[] spoilt = Spoil(spoilsConfig ? _config : file);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Use(spoilsConfig ? file : spoilt, spoilsConfig ? spoilt : _config);
            }
            catch (CheckpointException refusal)
            {
                Assert.That(refusal.Message, Has.Length.LessThan(1000), $"{seed}, mutation {index}");
                refused++;
            }
            catch (Exception fault)
            {
                Assert.Fail($"{seed}, mutation {index}: {fault}\n{Convert.ToBase64String(spoilt)}");
            }
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.That(allocated, Is.LessThan(MaxAllocatedBytes), $"{seed}, mutation {index}");
        }
        return refused;
    }

    private static void Use(byte[] file, byte[] config)
    {
        Tokenizer tokenizer = Tokenizer.Parse(file, config, "fuzz.json");
        foreach (bool parse in new[] { true, false })
        {
            int[] ids = tokenizer.Encode(Sample, addSpecialTokens: true, parse);
            string whole = tokenizer.Decode(ids);
            TokenDecoder decoder = new(tokenizer, skipSpecialTokens: false);
            StringBuilder streamed = new();
            foreach (int id in ids)
                streamed.Append(decoder.Append(id));
            Assert.That(streamed.Append(decoder.Flush()).ToString(), Is.EqualTo(whole));
        }
    }

    private byte[] Spoil(byte[] file)
    {
        List<byte> bytes = [.. file];
        for (int change = _random.Next(1, 4); change > 0 && bytes.Count > 0; change--)
            Change(bytes);
        return [.. bytes];
    }

    private void Change(List<byte> bytes)
    {
        int at = _random.Next(bytes.Count);
        int length = Math.Min(_random.Next(1, 40), bytes.Count - at);
        switch (_random.Next(8))
        {
            case 0:
                bytes[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1:
                bytes[at] = (byte)_random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, length);
                break;
            case 3:
                bytes.InsertRange(_random.Next(bytes.Count), bytes.GetRange(at, length));
                break;
            case 4 when _random.Next(4) == 0:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 5:
                ReplaceNumber(bytes, at);
                break;
            case 6:
                SwapStrings(bytes, at);
                break;
            default:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(Fragments[_random.Next(Fragments.Length)]));
                break;
        }
    }

    private void ReplaceNumber(List<byte> bytes, int from)
    {
        int start = bytes.FindIndex(from, value => value is >= (byte)'0' and <= (byte)'9');
        if (start < 0)
            return;
        int end = bytes.FindIndex(start, value => value is < (byte)'0' or > (byte)'9');
        bytes.RemoveRange(start, (end < 0 ? bytes.Count : end) - start);
        string[] numbers = ["-1", "0", "1", "300", "70000", "2147483647", "4294967296", "1e3", "0.5"];
        bytes.InsertRange(start, Encoding.UTF8.GetBytes(numbers[_random.Next(numbers.Length)]));
    }

    // Puts one string of the file where another was, so that the file stays JSON and its meaning goes wrong.
    private void SwapStrings(List<byte> bytes, int from)
    {
        if (StringAt(bytes, from) is not { } target
            || StringAt(bytes, _random.Next(bytes.Count)) is not { } source)
            return;
        List<byte> content = bytes.GetRange(source.Start, source.Length);
        bytes.RemoveRange(target.Start, target.Length);
        bytes.InsertRange(target.Start, content);
    }

    private static (int Start, int Length)? StringAt(List<byte> bytes, int from)
    {
        int open = bytes.IndexOf((byte)'"', from);
        int close = open < 0 ? -1 : bytes.IndexOf((byte)'"', open + 1);
        return close < 0 ? null : (open + 1, close - open - 1);
    }
}
