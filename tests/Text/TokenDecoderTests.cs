namespace PdEngine.Tests;

public sealed class TokenDecoderTests
{
    private static readonly Tokenizer[] Tokenizers =
    [
        SmallTokenizers.Parse(SmallTokenizers.ByteLevel()),
        SmallTokenizers.Parse(SmallTokenizers.SentencePiece()),
        SmallTokenizers.Parse(SmallTokenizers.SentencePiece(metaspace: true)),
    ];

    [Test]
    public void Any_split_of_any_ids_gives_the_whole_text(
        [Values(0, 1, 2)] int kind, [Values] bool skipSpecial, [Values(1, 2)] int seed)
    {
        Tokenizer tokenizer = Tokenizers[kind];
        Random random = new(seed);
        for (int round = 0; round < 2000; round++)
        {
            int[] ids = [.. Enumerable.Range(0, random.Next(30)).Select(_ => AnyId(tokenizer, random))];
            string whole = tokenizer.Decode(ids, skipSpecial);
            TokenDecoder decoder = new(tokenizer, skipSpecial);
            string streamed = Stream(ref decoder, ids, random, $"seed {seed}, round {round}");
            Assert.That(streamed, Is.EqualTo(whole), $"seed {seed}, round {round}: {string.Join(' ', ids)}");
            // A decoder that has been flushed starts anew.
            Assert.That(decoder.Append(ids) + decoder.Flush(), Is.EqualTo(whole));
        }
    }

    [Test]
    public void A_code_point_is_shown_when_it_is_whole()
    {
        Tokenizer tokenizer = Tokenizers[0];
        int[] bytes = [.. "\U0001F600"u8.ToArray()
            .Select(value => tokenizer.TokenId(SmallTokenizers.Alphabet[value])!.Value)];
        TokenDecoder decoder = new(tokenizer, skipSpecialTokens: false);
        Assert.That(bytes.Select(decoder.Append), Is.EqualTo(new[] { "", "", "", "\U0001F600" }));
        Assert.That(decoder.Append(bytes[0]) + decoder.Flush(), Is.EqualTo("\uFFFD"));
    }

    [Test]
    public void A_byte_run_counts_as_a_whole()
    {
        Tokenizer tokenizer = Tokenizers[1];
        int Byte(int value) => tokenizer.TokenId($"<0x{value:X2}>")!.Value;
        int[] whole = [Byte(0xE6), Byte(0xBC), Byte(0xA2)];
        Assert.That(tokenizer.Decode(whole), Is.EqualTo("\u6F22"));
        // One byte too many spoils all of the run.
        Assert.That(tokenizer.Decode([.. whole, Byte(0xE6)]), Is.EqualTo("\uFFFD\uFFFD\uFFFD\uFFFD"));
        Assert.That(tokenizer.Decode([Byte(0x20), tokenizer.TokenId("t")!.Value]), Is.EqualTo("t"));
    }

    [Test]
    public void A_fork_goes_its_own_way()
    {
        Tokenizer tokenizer = Tokenizers[1];
        int hello = tokenizer.TokenId("\u2581hello")!.Value;
        int half = tokenizer.TokenId("<0xC3>")!.Value;
        TokenDecoder decoder = new(tokenizer, skipSpecialTokens: false);
        Assert.That(decoder.Append([hello, half]), Is.EqualTo("hello"));
        TokenDecoder fork = decoder.Fork();
        Assert.That(fork.Append(tokenizer.TokenId("<0xA9>")!.Value) + fork.Flush(), Is.EqualTo("\u00E9"));
        Assert.That(decoder.Append(hello), Is.EqualTo("\uFFFD hello"));
    }

    private static string Stream(ref TokenDecoder decoder, int[] ids, Random random, string what)
    {
        string text = "";
        for (int at = 0; at < ids.Length;)
        {
            int count = random.Next(1, Math.Min(4, ids.Length - at) + 1);
            if (random.Next(10) == 0)
                decoder = decoder.Fork();
            string part = count == 1 ? decoder.Append(ids[at]) : decoder.Append(ids.AsSpan(at, count));
            Assert.That(part.Length > 0 && char.IsHighSurrogate(part[^1]), Is.False, what);
            text += part;
            at += count;
        }
        return text + decoder.Flush();
    }

    // Bytes of several-byte code points come often, so that runs break in every place.
    private static int AnyId(Tokenizer tokenizer, Random random) =>
        random.Next(3) switch
        {
            0 => tokenizer.Encode("\u00E9\u6F22\U0001F600 </s>")[random.Next(8)],
            1 => random.Next(-1, 265),
            _ => random.Next(tokenizer.VocabularySize + 1),
        };
}
