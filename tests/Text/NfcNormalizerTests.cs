using System.Text;

namespace PdEngine.Tests;

public sealed class NfcNormalizerTests
{
    private static string Nfc(string text)
    {
        ByteBuffer output = new();
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return NfcNormalizer.TryNormalize(utf8, output) ? Encoding.UTF8.GetString(output.Written) : text;
    }

    [TestCase("plain", "plain")]
    [TestCase("e\u0301", "\u00E9", Description = "composes")]
    [TestCase("e\u0301\u0323", "\u1EB9\u0301", Description = "marks are put in order, then compose")]
    [TestCase("\u00E9\u0323", "\u1EB9\u0301", Description = "what was composed is taken apart for that")]
    [TestCase("a\u0301\u0302", "\u00E1\u0302", Description = "a mark blocks another of its class")]
    [TestCase("\u0301e", "\u0301e", Description = "a mark without a starter")]
    [TestCase("\u212B\u2126", "\u00C5\u03A9", Description = "singletons")]
    [TestCase("\u0344", "\u0308\u0301", Description = "a mark that stays taken apart")]
    [TestCase("\u0958", "\u0915\u093C", Description = "excluded from composition")]
    [TestCase("\u0F73", "\u0F71\u0F72", Description = "non-starter decomposition")]
    [TestCase("\u1100\u1161\u11A8", "\uAC01", Description = "Hangul from three parts")]
    [TestCase("\uAC00\u11A8x", "\uAC01x", Description = "Hangul from two parts")]
    [TestCase("\uAC01\u11A8", "\uAC01\u11A8", Description = "a syllable takes one trailing consonant")]
    [TestCase("\u304B\u3099", "\u304C", Description = "kana")]
    [TestCase("\uF900\U0002F800", "\u8C48\u4E3D", Description = "compatibility ideographs")]
    [TestCase("\U00011099\U000110BA", "\U0001109A", Description = "beyond the first plane")]
    [TestCase("\U0001D15E", "\U0001D157\U0001D165", Description = "excluded, beyond the first plane")]
    [TestCase("\u09C7\u09BE", "\u09CB", Description = "a second half that is no mark by class")]
    [TestCase("\uFB01\uFFFE\u00BD", "\uFB01\uFFFE\u00BD", Description = "compatibility forms stay")]
    public void Text_takes_its_composed_form(string text, string composed)
    {
        Assert.That(Nfc(text), Is.EqualTo(composed));
        Assert.That(Nfc($"q{text}q"), Is.EqualTo($"q{composed}q"), "between letters that join nothing");
        Assert.That(Nfc(composed), Is.EqualTo(composed), "once more");
    }

    [Test]
    public void Every_code_point_composes_again_from_its_parts()
    {
        Assert.Multiple(() =>
        {
            for (int codePoint = 0; codePoint < 0x110000; codePoint++)
            {
                if (!Rune.IsValid(codePoint)
                    || !NfcTables.TryDecompose(codePoint, out int first, out int second))
                    continue;
                string whole = new Rune(codePoint).ToString();
                string parts = new Rune(first).ToString() + (second == 0 ? "" : new Rune(second).ToString());
                Assert.That(Nfc(parts), Is.EqualTo(Nfc(whole)), $"U+{codePoint:X4}");
                bool composes = second != 0 && NfcTables.TryCompose(first, second, out int composite)
                    && composite == codePoint;
                Assert.That(Nfc(whole) == whole, Is.EqualTo(composes), $"U+{codePoint:X4}");
            }
        });
    }

    [Test]
    public void Normalizing_parts_at_stable_borders_is_normalizing_the_whole([Values(1, 2, 3)] int seed)
    {
        Random random = new(seed);
        const string Pool = "aeo\u00E9\u1EB9\u0301\u0302\u0323\u0327\u0344\u1100\u1161\u11A8\uAC00"
            + "\u0915\u093C\u09C7\u09BE";
        for (int round = 0; round < 5000; round++)
        {
            string text = string.Concat(
                Enumerable.Range(0, random.Next(12)).Select(_ => Pool[random.Next(Pool.Length)]));
            string composed = Nfc(text);
            string what = $"seed {seed}, round {round}";
            Assert.That(Nfc(composed), Is.EqualTo(composed), what);
            Assert.That(Nfc($"{text}q{text}"), Is.EqualTo($"{composed}q{composed}"), what);
            Assert.That(NfcOracle.Normalize(text), Is.EqualTo(composed), what);
        }
    }
}
