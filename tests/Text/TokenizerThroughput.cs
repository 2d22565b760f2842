using System.Text;
using System.Text.Json;

namespace PdEngine.Tests;

public sealed class TokenizerThroughput
{
    [Test]
    [Explicit("prints megabytes a second; asserts nothing about time")]
    [Category("Goldens")]
    public void Throughput_of_every_golden_tokenizer()
    {
        string prose = string.Concat(Directory
            .GetFiles(TestFiles.Root, "*.md").Append(TestFiles.Golden("README.md")).Select(File.ReadAllText));
        string code = string.Concat(Directory
            .GetFiles(Path.Combine(TestFiles.Root, "engine"), "*.cs", SearchOption.AllDirectories)
            .Select(File.ReadAllText));
        Random random = new(1);
        string chinese = string.Concat(Enumerable.Range(0, 200_000).Select(index =>
            index % 23 == 22 ? '\u3002' : (char)(0x4E00 + random.Next(random.Next(4) == 0 ? 20_000 : 3000))));
        foreach (string file in Directory.GetFiles(TestFiles.Golden("tokenizers"), "*.json").Order())
        {
            using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(file));
            if (golden.RootElement.ValueKind != JsonValueKind.Object)
                continue;
            TimeSpan started = Environment.CpuUsage.TotalTime;
            Tokenizer tokenizer = TokenizerGoldenTests.Load(golden.RootElement);
            double load = (Environment.CpuUsage.TotalTime - started).TotalMilliseconds;
            string name = Path.GetFileNameWithoutExtension(file);
            TestContext.Out.WriteLine($"{name,-12} load {load,5:F0} ms | prose "
                + $"{Rate(tokenizer, prose),6:F1} | code {Rate(tokenizer, code),6:F1} | chinese "
                + $"{Rate(tokenizer, chinese),6:F1} MB/s");
        }
    }

    private static double Rate(Tokenizer tokenizer, string text)
    {
        const int ChunkCharacters = 64 << 10;
        string[] chunks = [.. text.Chunk(ChunkCharacters).Select(chunk => new string(chunk))];
        double bytes = Encoding.UTF8.GetByteCount(text);
        double best = 0;
        for (int repeat = 0; repeat < 8; repeat++)
        {
            // Processor time of the process, so that a busy machine does not count.
            TimeSpan started = Environment.CpuUsage.TotalTime;
            foreach (string chunk in chunks)
                tokenizer.Encode(chunk);
            best = Math.Max(best, bytes / (Environment.CpuUsage.TotalTime - started).TotalSeconds / 1e6);
        }
        return best;
    }
}
