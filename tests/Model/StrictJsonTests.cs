using System.Text;
using System.Text.Json;

namespace PdEngine.Tests;

public sealed class StrictJsonTests
{
    [TestCase("""{"a": 1, "a": 1}""")]
    [TestCase("""[{"b": {"a": 1, "\u0061": 2}}]""")]
    public void A_name_given_twice_is_refused_however_deep_and_however_written(string json) =>
        Assert.That(() => StrictJson.Parse(Encoding.UTF8.GetBytes(json)),
            Throws.TypeOf<JsonException>().With.Message.Contains("'a' is given twice"));

    [Test]
    public void One_name_in_several_objects_is_none() =>
        StrictJson.Parse("""[{"a": {"a": 1}}, {"a": 2}]"""u8.ToArray()).Dispose();
}
