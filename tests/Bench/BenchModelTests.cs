using System.Text.Json;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary><c>pdengine bench model</c> from flags to figures.</summary>
public sealed class BenchModelTests
{
    [Test]
    public async Task Quick_measures_every_kind_of_row()
    {
        (PdEngineRun run, JsonElement[] rows) = await BenchRows.RunAsync(
            "model", "--quick", "--no-peer", "--ops", "--isa", "avx2", "--repeats", "2");
        Assert.That(rows.Select(row => row.GetProperty("row").GetString()),
            Is.EqualTo(ModelRowSpec.Quick.Select(row => row.Name)));
        Assert.That(rows.Select(row => row.GetProperty("phase").GetString()),
            Is.EqualTo(new[] { "prefill", "decode", "decode", "mixed" }));
        foreach (JsonElement row in rows)
        {
            BenchRows.AssertMeasured(row);
            Assert.That(row.GetProperty("isa").GetString(), Is.EqualTo("avx2"));
            Assert.That(row.GetProperty("dtype").GetString(), Is.EqualTo("bf16"));
            Assert.That(BenchRows.Of(row, "peer_tokens_per_second"), Is.Zero);
            Assert.That(BenchRows.Of(row, "tokens_per_second"), Is.Positive);
        }
        Assert.That(run.Out, Does.Contain("peer missing"), "a peer that did not run is never passed");
        foreach (string op in new[] { "attention", "rms_norm", "rope+append", "matmul 256x64" })
            Assert.That(run.Out, Does.Contain(op));
    }

    [Test]
    public async Task Int8_weights_are_half_the_bytes()
    {
        (_, JsonElement[] wide) = await BenchRows.RunAsync(
            "model", "--quick", "--no-peer", "--isa", "avx2", "--repeats", "1", "--rows", "decode-1-64");
        (_, JsonElement[] narrow) = await BenchRows.RunAsync(
            "model", "--quick", "--no-peer", "--isa", "avx2", "--repeats", "1", "--rows", "decode-1-64",
            "--dtype", "int8");
        double Bytes(JsonElement row) =>
            BenchRows.Of(row, "bytes_per_second") / BenchRows.Of(row, "tokens_per_second");
        Assert.That(narrow[0].GetProperty("dtype").GetString(), Is.EqualTo("int8"));
        Assert.That(Bytes(narrow[0]), Is.LessThan(0.8 * Bytes(wide[0])));
    }

    [Test]
    public void A_row_is_named_by_its_sizes()
    {
        ModelRowSpec[] rows =
            [.. ModelRowSpec.Parse("prefill-512,decode-8,decode-1-4096,mixed,mixed-64-2-128")];
        Assert.That(rows.Select(row => (row.Phase, row.Batch, row.Tokens, row.Context)), Is.EqualTo(new[]
        {
            ("prefill", 1, 512, 0), ("decode", 8, 8, 512), ("decode", 1, 1, 4096), ("mixed", 9, 264, 512),
            ("mixed", 3, 66, 128),
        }));
        Assert.That(rows.Select(row => row.Positions), Is.EqualTo(new[] { 512, 513, 4097, 768, 192 }));
    }

    [Test]
    public void A_row_that_moves_while_it_is_measured_is_measured_again()
    {
        LimitReading[] steady = [new(1e12, 5e11, 7e10), new(1.1e12, 5e11, 6e10)];
        LimitReading[] moved = [new(1e12, 5e11, 7e10), new(1e12, 5e11, 3.5e10)];
        Assert.That(LimitReading.Movement(steady), Is.EqualTo(1 / 6.0).Within(1e-9));
        Assert.That(LimitReading.Movement(moved), Is.EqualTo(1.0).Within(1e-9));
        Assert.That(LimitReading.Movement(moved), Is.GreaterThan(RowMeasure.AllowedMovement));
        LimitReading median = LimitReading.Median([.. steady, moved[1]]);
        Assert.That(median, Is.EqualTo(new LimitReading(1e12, 5e11, 6e10)));
    }

    [Test]
    public void A_row_is_held_against_what_it_multiplies_with()
    {
        (CpuIsa, WeightDtype, Arithmetic)[] all =
        [
            (CpuIsa.Avx2, WeightDtype.Bf16, Arithmetic.Fma),
            (CpuIsa.Avx512, WeightDtype.Bf16, Arithmetic.Fma),
            (CpuIsa.Avx512, WeightDtype.Int8, Arithmetic.Vnni),
            (CpuIsa.Avx512Bf16, WeightDtype.Bf16, Arithmetic.Bf16Dots),
            (CpuIsa.Avx512Bf16, WeightDtype.Int8, Arithmetic.Vnni),
            (CpuIsa.Amx, WeightDtype.Bf16, Arithmetic.AmxTiles),
            (CpuIsa.Amx, WeightDtype.Int8, Arithmetic.AmxInt8Tiles),
        ];
        foreach ((CpuIsa isa, WeightDtype dtype, Arithmetic arithmetic) in all)
            Assert.That(Arithmetics.Of(isa, dtype), Is.EqualTo(arithmetic), $"{isa} {dtype}");
    }

    [TestCase("--rows soak", "--rows", "'soak'", "decode-BATCH")]
    [TestCase("--rows decode", "--rows", "'decode'")]
    [TestCase("--rows prefill-0", "--rows", "0", "1 to")]
    [TestCase("--rows decode-999", "--rows", "999", "256")]
    [TestCase("--rows decode-1-x", "--rows", "'decode-1-x'")]
    [TestCase("--rows ,", "--rows", "no row")]
    [TestCase("--rows prefill-4096", "--rows", "2048 positions")]
    [TestCase("--shape huge", "--shape", "'huge'", "tiny")]
    [TestCase("--shape tiny --model /nowhere", "--shape", "--model")]
    [TestCase("--model /nowhere", "/nowhere")]
    [TestCase("--isa avx1024", "--isa", "'avx1024'", "avx512-bf16")]
    [TestCase("--dtype int4", "--dtype", "'int4'", "int8")]
    [TestCase("--threads 0", "--threads", "1 to 1024")]
    [TestCase("--repeats 0", "--repeats", "1 to 1000")]
    [TestCase("--json /nowhere/at/all", "--json", "/nowhere/at")]
    public async Task Bad_flags_end_with_one_message_and_exit_code_2(string flags, params string[] parts)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(
            ["bench", "model", "--quick", "--no-peer", .. flags.Split(' ')]);
        run.AssertRefused(parts);
    }

    [Test]
    public async Task More_threads_than_cores_are_refused()
    {
        int cores = Environment.ProcessorCount;
        PdEngineRun run = await PdEngineRun.HereAsync(
            "bench", "model", "--quick", "--no-peer", "--threads", $"{cores + 1}");
        run.AssertRefused("--threads", $"{cores + 1} are more", $"{cores} cores");
    }
}
