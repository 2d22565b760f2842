using System.Diagnostics;
using System.Text;

namespace PdEngine.Tests;

/// <summary>Files that mean harm, or none, are refused fast and with a typed error.</summary>
public sealed class HostileTopologyTests
{
    private static IEnumerable<TestCaseData> HostileFiles()
    {
        yield return Named("empty", "");
        yield return Named("comments only", "# nothing\n");
        yield return Named("a scalar", "hello");
        yield return Named("two documents", Plans.Slime + "\n---\n" + Plans.Slime);
        yield return Named("a tab", "sglang:\n\t- name: m\n");
        yield return Named("a duplicate key", "sglang:\n  - name: a\n    name: b\n");
        yield return Named("a duplicate top key", "sglang:\n  - name: a\nsglang:\n  - name: b\n");
        yield return Named("a tag", "sglang: !!python/object:os.system\n  - name: m\n");
        yield return Named("a zero byte", "sglang:\n  - name: \"a\0\"\n");
        yield return Named("an escape that is no letter", "sglang:\n  - name: \"\\UFFFFFFFF\"\n");
        yield return Named("a control character in a name", "sglang:\n  - name: \"a\\e[31m\"\n");
        yield return Named("a long name", $"sglang:\n  - name: {new string('n', 5000)}\n");
        yield return Named("nested lists", "sglang: " + new string('[', 100_000));
        yield return Named("nested mappings", string.Concat(Enumerable.Range(0, 400)
            .Select(i => new string(' ', i) + "a:\n")));
        yield return Named("keys that are lists", "? [a, b]\n: c\nsglang:\n  - name: m\n");
        yield return Named("an alias of itself", "sglang: &a\n  - *a\n");
        yield return Named("an alias of nothing", "sglang: *nothing\n");
        yield return Named("a merge key", "x: &x {name: m}\nsglang:\n  - <<: *x\n");
        yield return Named("aliases of aliases", Bomb("sglang: *i\n"));
        yield return Named("aliases of aliases as a key", Bomb("? *i\n: 1\n"));
        yield return Named("many groups", "sglang:\n  - name: m\n    server_groups: &g ["
            + string.Concat(Enumerable.Repeat("{worker_type: regular, num_gpus: 1}, ", 5000)) + "]\n");
        yield return Named("many devices", Plans.Regular(16384)
            + "      - {worker_type: regular, num_gpus: 16384}\n");
        yield return Named("over the size", "sglang:\n  - name: m\n" + new string('#', 1 << 20));
    }

    [TestCaseSource(nameof(HostileFiles))]
    public void A_hostile_file_is_refused(string yaml)
    {
        Stopwatch clock = Stopwatch.StartNew();
        TopologyException fault = Plans.FaultOf(yaml);
        TestContext.Out.WriteLine($"{clock.ElapsedMilliseconds} ms: {fault.Message}");
        Assert.That(fault.Message, Has.Length.LessThan(600));
    }

    [Test]
    public void Bytes_that_are_not_utf8_are_refused_with_their_line()
    {
        byte[] bytes = [.. "sglang:\n  - name: "u8, 0xC3, 0x28];
        Assert.That(Assert.Throws<TopologyException>(() => TopologyFile.Parse("f", bytes))!.Line,
            Is.EqualTo(2));
        Assert.Throws<TopologyException>(() => TopologyFile.Parse("f",
            Encoding.Unicode.GetBytes(Plans.Slime)));
    }

    [Test]
    public void A_byte_order_mark_and_other_line_ends_are_read()
    {
        byte[] bytes = [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(
            Plans.Slime.Replace("\n", "\r\n", StringComparison.Ordinal))];
        Assert.That(TopologyFile.Parse("f", bytes).Models, Has.Count.EqualTo(1));
    }

    /// <summary>Aliases of aliases, which double with every line.</summary>
    internal static string Bomb(string last)
    {
        StringBuilder text = new("a: &a [x, x, x, x, x, x, x, x, x]\n");
        for (char letter = 'b'; letter <= 'i'; letter++)
        {
            string inner = string.Join(", ", Enumerable.Repeat($"*{(char)(letter - 1)}", 9));
            text.Append($"{letter}: &{letter} [{inner}]\n");
        }
        return text.Append(last).ToString();
    }

    private static TestCaseData Named(string name, string yaml) =>
        new TestCaseData(yaml).SetName($"A_hostile_file_is_refused({name})");
}
