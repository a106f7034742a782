"""A function in Python: it greets, and tells what it was given.

Deploy it with the handler "handler.handler" and a runtime python3.N.
"""

# What is outside of the handler runs once, when the environment is initialised,
# and lives until it is shut down.
invocations = 0


def handler(event, context):
    global invocations
    invocations += 1
    print(f"invocation {invocations} of this environment")

    # An event of another shape is no mistake: it is greeted all the same.
    name = event.get("name") if isinstance(event, dict) else None
    return {
        "message": f"Hello, {name or 'world'}, from Python",
        "requestId": context.aws_request_id,
        "cold": invocations == 1,
        "event": event,
    }
