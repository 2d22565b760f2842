namespace PdEngine.Tests;

public sealed class SamplingRngTests
{
    // The known answers that come with the paper's own library.
    [TestCase("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8")]
    [TestCase("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd")]
    [TestCase("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1")]
    public void Philox_gives_its_known_answers(string counter, string key, string answer)
    {
        uint[] c = Words(counter), k = Words(key);
        (uint, uint, uint, uint) words = SamplingRng.Philox(c[0], c[1], c[2], c[3], k[0], k[1]);
        uint[] expected = Words(answer);
        Assert.That(words, Is.EqualTo((expected[0], expected[1], expected[2], expected[3])));
    }

    [Test]
    public void Noise_comes_from_word_zero_of_token_position_and_seed()
    {
        // Key words 1 and 2, counter 7, 9: the argument order is part of the contract with the native kernels.
        uint word = SamplingRng.Philox(7, 9, 0, 0, 1, 2).Word0;
        double v = (word + 0.5) / 4294967296.0;
        double expected = -Math.Log(-Math.Log(1 - v));
        Assert.That(SamplingRng.Gumbel(0x0000000200000001, 9, 7), Is.EqualTo(expected));
    }

    [Test]
    public void Noise_has_the_mean_and_variance_of_a_Gumbel()
    {
        const int count = 200_000;
        double sum = 0, squares = 0;
        for (int token = 0; token < count; token++)
        {
            double noise = SamplingRng.Gumbel(12345, 678, token);
            sum += noise;
            squares += noise * noise;
        }
        double mean = sum / count;
        Assert.Multiple(() =>
        {
            Assert.That(mean, Is.EqualTo(0.5772156649).Within(0.015));
            Assert.That(squares / count - mean * mean, Is.EqualTo(Math.PI * Math.PI / 6).Within(0.03));
        });
    }

    private static uint[] Words(string text) => Array.ConvertAll(text.Split(' '), word => Convert.ToUInt32(word, 16));
}
