"""What a value of any kind is made of, as far as it shows that itself (docs/flujo.md).

kinds       by its class: a scalar, Pairs or Items
model       pydantic's models and dataclasses: fields that hide, serializers of their own
hidden      what hides inside a value
own_repr    classes that say by themselves how they are shown
time_limit  how long the code of such classes may take
"""

from flujo_otel.shape.kinds import Items, Pairs, attributes, name_of, reader_of, shown_of
from flujo_otel.shape.model import shown
from flujo_otel.shape.time_limit import TimeLimit

__all__ = ["Items", "Pairs", "TimeLimit", "attributes", "name_of", "reader_of", "shown", "shown_of"]
